"""A random batch of logits with class indices."""

from __future__ import annotations

import torch


def classification_batch(seed: int = 0, rows: int = 200, classes: int = 4):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator) * 3 - 2
    targets = torch.randint(-1, classes, (rows,), generator=generator)
    return logits, targets
