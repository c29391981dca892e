"""Where the curves of a training go."""
