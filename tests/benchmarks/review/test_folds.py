"""Predictions for images whose labels the model has not seen, on a tiny noisy set."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.review.folds import held_out_detections, main
from tests.data.layouts import Sample, write_coco
from tests.training.tiny import BOXES, TINY

from torchghm.data import load_data
from torchghm.data.writing.noisy_data import write_noisy
from torchghm.training.evaluation.label_review import detect
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.recipes.files import recipe_yaml
from torchghm.training.run_folder import checkpoint_of

FOLDS, ONE_STEP = 2, TINY.with_values({"trainer.max_steps": 1, "trainer.epochs": 1, "data.evaluate": "val"})


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    splits = ["train"] * 12 + ["val"] * 2
    samples = [Sample(f"{n}.png", split, BOXES, (0, 1, 2), width=64, height=64) for n, split in enumerate(splits)]
    clean = load_data(write_coco(tmp_path / "clean", samples))
    return write_noisy(clean, tmp_path / "noisy", rate=0.4)


def test_each_image_is_judged_by_the_model_that_was_trained_without_it(noisy: Path, tmp_path: Path) -> None:
    data = load_data(noisy)
    records = data.select("train")
    seen = held_out_detections(data, ONE_STEP, FOLDS, tmp_path / "out")
    names, judged = records.names(), []
    for fold in (tmp_path / "out").iterdir():
        learned = {Path(name).name for name in load_data(fold / "data").select("train").names()}
        left_out = [image for image, name in enumerate(names) if Path(name).name not in learned]
        assert len(left_out) == len(names) // FOLDS
        again = detect(load_checkpoint(checkpoint_of(fold / "run")), records.take(left_out), torch.device("cpu"))
        for image, found in zip(left_out, again, strict=True):
            assert np.array_equal(seen[image].boxes, found.boxes)
            assert np.array_equal(seen[image].scores, found.scores)
        judged += left_out
    assert sorted(judged) == list(range(len(names)))


def test_the_table_has_the_peers_by_folds(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe_yaml(ONE_STEP))
    main([f"tiny={noisy}", str(tmp_path / "out"), "--recipe", str(recipe), "--folds", str(FOLDS)])
    methods = re.findall(r"^\| tiny, 40 % \| ([^|]*) \|", capsys.readouterr().out, flags=re.MULTILINE)
    assert [method.split(", thresholds")[0] for method in methods] == [
        "final score (2 folds)", "FiftyOne's mistakenness (2 folds)", "ObjectLab (2 folds)", "ObjectLab",
    ]  # fmt: skip
    assert methods[-1].endswith(" (2 folds)")
