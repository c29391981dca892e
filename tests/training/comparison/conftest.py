from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.layouts import write_coco
from tests.training.comparison.fake_train import CE, FOCAL, GHM, RECIPE

from torchghm.training.comparison.run import compare


@pytest.fixture
def data(tmp_path) -> Path:
    return write_coco(tmp_path / "tiny")


@pytest.fixture
def call(data, tmp_path):
    """Compare three methods over three seeds with a train function, other arguments changed."""

    def compared(train, **changes):
        arguments = {"methods": [CE, FOCAL, GHM], "seeds": [0, 1, 2], "recipe": RECIPE, "split": "val"}
        arguments |= {"out": tmp_path / "out", "progress": False} | changes
        return compare(arguments.pop("data", data), train=train, **arguments)

    return compared
