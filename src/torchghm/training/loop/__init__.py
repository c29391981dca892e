"""The training loop: the Lightning module, its data, checkpoints, processes, and the files of every epoch."""
