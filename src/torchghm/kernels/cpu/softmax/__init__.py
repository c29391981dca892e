"""Softmax GHM-C on a CPU: every row is an example."""
