"""What the losses keep between iterations, and how ranks share it."""
