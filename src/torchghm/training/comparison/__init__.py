"""Comparisons of losses: the plan, the runs, the statistics over seeds, and the table."""
