"""Files under a data folder, and the names that data have for them."""
