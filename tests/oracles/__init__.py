"""The definitions of the paper as literal loops over Python floats (float64). Slow, and independent of the source."""
