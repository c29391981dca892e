"""Both steps that are timed compute one loss."""

from __future__ import annotations

import torch
from benchmarks.speed.steps import STEPS, batches


def test_both_steps_give_one_loss():
    names = batches(200).keys()
    for name in names:
        torch.manual_seed(0)
        losses = []
        for step in STEPS.values():
            torch.manual_seed(0)
            batch, options, memory = batches(200)[name]
            losses.append(step(batch, options, memory).loss)
        torch.testing.assert_close(losses[0], losses[1])
