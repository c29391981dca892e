"""One file for each detector: what computes its loss, harmonized."""
