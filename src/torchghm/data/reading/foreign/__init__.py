"""Formats of other tools, read through a converter."""
