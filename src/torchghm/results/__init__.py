"""What a run or a comparison writes and its page reads: file names, columns, labels, records (docs/run-folder.md)."""
