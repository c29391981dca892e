"""Precision of a loss's memory: float32, whatever its model is cast to."""

from __future__ import annotations

import copy
import pickle

import torch
from tests.losses.batches import classification_batch

from torchghm import GHMCLoss


def test_buffers_stay_float32_and_the_loss_survives_being_moved_about():
    loss = GHMCLoss.published(momentum=0.9)
    loss(*classification_batch())
    expected = copy.deepcopy(loss)(*classification_batch(1))
    fractions = loss.density_state.fractions.clone()
    for moved in (
        copy.deepcopy(loss).half().float(),
        copy.deepcopy(loss).to(torch.bfloat16),
        copy.deepcopy(loss).double(),
        pickle.loads(pickle.dumps(loss)),
    ):
        assert moved.density_state.fractions.dtype == torch.float32
        assert torch.equal(moved.density_state.fractions, fractions)
        torch.testing.assert_close(moved(*classification_batch(1)), expected)
    assert GHMCLoss.published().to("meta").density_state.fractions.is_meta
