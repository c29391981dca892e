"""A detector's mistakes on labelled images: thresholds, confusions, calibration, kinds of errors."""
