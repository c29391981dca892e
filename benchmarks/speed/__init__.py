"""Time and memory of one step of the losses, beside their peers'."""
