"""Tar shards: packing a data set, and reading it image by image."""
