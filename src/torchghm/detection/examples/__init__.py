"""Examples of a batch: logits, labels and residuals of every anchor."""
