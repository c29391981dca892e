"""The training loop: the Lightning module, its data, checkpoints, processes, and what is written every epoch."""
