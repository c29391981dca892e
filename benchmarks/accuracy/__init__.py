"""What comparisons of losses on several data sets show together: tables and figures."""
