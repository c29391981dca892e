"""A data set in a new folder: in another layout, with other splits, with wrong labels."""
