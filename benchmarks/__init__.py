"""Speed and memory of the losses beside their peers': ``make bench``."""
