"""Vectors in registers, and the tables that they look up and count in."""
