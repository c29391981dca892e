"""Modules of the classification baselines, against their functions."""

from __future__ import annotations

import pickle

import pytest
import torch
from tests.losses.batches import classification_batch

import torchghm


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (torchghm.CrossEntropyLoss(), torchghm.functional.cross_entropy_loss),
        (torchghm.FocalLoss(), torchghm.functional.focal_loss),
        (torchghm.OHEMLoss(), torchghm.functional.ohem_loss),
    ],
)
def test_classification_baselines(module, function):
    logits, targets = classification_batch()
    torch.testing.assert_close(module(logits, targets), function(logits, targets))
    plain = torchghm.functional.cross_entropy_loss(logits, targets, average="examples")
    torch.testing.assert_close(module.diagnostics.plain_loss, plain)
    pickle.loads(pickle.dumps(module))
