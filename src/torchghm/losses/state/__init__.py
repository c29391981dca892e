"""State that losses keep between iterations and share over ranks."""
