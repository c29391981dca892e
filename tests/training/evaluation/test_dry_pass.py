from __future__ import annotations

import torch
from tests.training.tiny import TINY

from torchghm.data import load_data
from torchghm.training.evaluation.dry_pass import dry_pass


def test_a_dry_pass_counts_every_logit_of_its_batches(tiny_data):
    seen = dry_pass(load_data(tiny_data), TINY, torch.device("cpu"), steps=1, batches=3)
    again = dry_pass(load_data(tiny_data), TINY, torch.device("cpu"), steps=1, batches=3)
    assert torch.equal(seen.positive, again.positive)
    assert seen.positive.shape == seen.negative.shape == (3, 1000)
    assert 0 < seen.positive.sum() < seen.negative.sum()
    assert len(seen.residual) % 4 == 0
    assert (seen.residual >= 0).all()
    assert seen.images == 2


def test_of_two_stages_the_first_is_looked_at(tiny_data):
    recipe = TINY.with_values({"model.detector": "faster_rcnn_mobilenet", "loss.cls": "own", "loss.stage": "roi"})
    seen = dry_pass(load_data(tiny_data), recipe, torch.device("cpu"), steps=1, batches=2)
    assert seen.positive.sum() > 0
