"""Recognise what files contain by all of them together, not by one."""
