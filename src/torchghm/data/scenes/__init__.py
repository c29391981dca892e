"""Scenes: the embedded data set of real digits on real photographs."""
