"""Images of two widths, the narrower one without any object."""

from __future__ import annotations

import pytest
import torch
from tests.detection.models import Batch


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(1)
    images = [torch.rand(3, 64, 96), torch.rand(3, 64, 64)]
    targets = [
        {"boxes": torch.tensor([[4.0, 4, 40, 44], [30, 20, 90, 60]]), "labels": torch.tensor([0, 2])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)},
    ]
    return images, targets
