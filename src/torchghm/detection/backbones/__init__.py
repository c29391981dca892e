"""Backbones of detectors, and their weights."""
