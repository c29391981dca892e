"""Recipes: their values and sections, their files, the losses that they name, and what is built from them."""
