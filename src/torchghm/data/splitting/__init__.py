"""Names of splits, and how a data set without any is split."""
