"""A tiny classifier of timm's, with weights in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from tests.detection.models import TINY_TIMM


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file with a classifier of seven classes, of which no tensor is what it is at the start."""
    torch.manual_seed(3)
    classifier = timm.create_model(TINY_TIMM.removeprefix("timm/"), num_classes=7)
    state = {
        key: value + torch.rand(value.shape) if value.is_floating_point() else value
        for key, value in classifier.state_dict().items()
    }
    torch.save(state, tmp_path / "classifier.pt")
    return tmp_path / "classifier.pt"
