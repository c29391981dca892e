from __future__ import annotations

import json

import pytest
import torch
from tests.training.tiny import TINY, write_tiny_data

from torchghm.data import load_data
from torchghm.review.digests import annotation_digests
from torchghm.review.memory import LabelMemory
from torchghm.training import train
from torchghm.training.label_memory import LABELS_KEY


def test_a_checkpoint_remembers_every_label_and_whose_they_are(trained, tiny_data):
    kept = torch.load(trained.folder.last, weights_only=True)[LABELS_KEY]
    records = load_data(tiny_data).splits["train"]
    assert torch.equal(kept["digests"], annotation_digests(records))
    assert kept["root"] == str(tiny_data.absolute())
    columns = LabelMemory.from_state(kept["memory"]).columns()
    # Five images in batches of two: one of them sits out in each of the two epochs.
    assert len(columns["seen"]) == len(records.labels)
    assert 0 < columns["seen"].sum() <= TINY.trainer.epochs * len(records.labels)
    assert columns["seen"].max() <= TINY.trainer.epochs


def test_a_run_may_do_without(tiny_data, run_path):
    recipe = TINY.with_values({"trainer.label_memory": False, "trainer.max_steps": 1})
    train(tiny_data, recipe=recipe, out=run_path, progress=False)
    assert LABELS_KEY not in torch.load(run_path / "checkpoints" / "last.ckpt", weights_only=True)


def test_mosaics_count_for_the_labels_that_they_show(tiny_data, run_path):
    train(tiny_data, recipe=TINY.with_values({"data.mosaic": 1.0}), out=run_path, progress=False)
    kept = torch.load(run_path / "checkpoints" / "last.ckpt", weights_only=True)[LABELS_KEY]
    memory = LabelMemory.from_state(kept["memory"])
    assert memory.columns()["seen"].sum() > 0
    assert len(memory.places.columns()["score"]) == 0  # which image such a place is in, nobody knows


def test_a_run_goes_on_with_the_labels_that_it_was_begun_with(tmp_path, run_path):
    """As many labels in as many images, of which one has been corrected since."""
    data = write_tiny_data(tmp_path / "data")
    recipe = TINY.with_values({"trainer.epochs": 1, "model.pyramid_channels": 64})
    train(data, recipe=recipe, out=run_path, progress=False)
    longer = recipe.with_values({"trainer.epochs": 2})
    file = data / "annotations" / "instances_train2017.json"
    before = file.read_text()
    content = json.loads(before)
    content["annotations"][0]["bbox"] = [1, 1, 9, 9]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"not those that the run was trained on: .* ant at \[1.0, 1.0, 10.0, 10.0\]"):
        train(data, recipe=longer, out=run_path, resume=True, progress=False)
    assert (run_path / "results.json").is_file()  # nothing was touched
    file.write_text(before)
    assert train(data, recipe=longer, out=run_path, resume=True, progress=False)["epochs"] == 2
