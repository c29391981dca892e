"""Files of a run and a comparison: their names, columns, labels, and readers that check them (docs/run-folder.md)."""
