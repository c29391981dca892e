"""Trained detectors put to use: average precision, predictions on images, sample images, gradient norms."""
