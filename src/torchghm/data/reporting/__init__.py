"""Results of a check: counts and problems as tables, JSON and a page with pictures."""
