"""What files look like: what is told by all of them together is not guessed from one."""
