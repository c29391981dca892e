"""What was found in a data set: counts and problems as tables, JSON and a page with pictures."""
