"""The losses in two passes: a histogram of gradient norms, then the loss and its gradient together."""
