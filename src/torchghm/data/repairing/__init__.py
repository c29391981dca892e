"""Make boxes that can be learned from of the annotations in files; drop all others with a count."""
