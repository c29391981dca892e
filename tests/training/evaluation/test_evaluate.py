from dataclasses import replace

import pytest
from tests.data.layouts import CLASSES

from torchghm.data import load_data
from torchghm.training import evaluate
from torchghm.training.evaluation.evaluate import evaluate_records
from torchghm.training.loop.checkpoints import load_checkpoint


def test_a_run_evaluates_to_its_results(trained, tiny_data):
    again = evaluate(trained.folder.path, tiny_data, device="cpu")
    assert again["metrics"] == trained.results["metrics"]
    assert again["per_class"] == trained.results["per_class"]
    assert (again["split"], again["images"], again["classes"]) == ("val,test", 4, list(CLASSES))
    assert again["checkpoint"] == str(trained.folder.last)


def test_a_checkpoint_and_a_split(trained, tiny_data):
    result = evaluate(trained.folder.best, tiny_data, "test", device="cpu")
    assert (result["split"], result["images"]) == ("test", 2)


def test_every_image_is_seen_once_and_in_order(trained, tiny_data):
    records = load_data(tiny_data).select("train")
    _, images = evaluate_records(load_checkpoint(trained.folder.last).module(), records)
    assert [len(image.target["boxes"]) for image in images] == [1, 2, 3, 1, 2]


def test_errors(trained, tiny_data, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        evaluate(tmp_path, tiny_data)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        evaluate(tmp_path / "none.ckpt", tiny_data)
    with pytest.raises(ValueError, match="Expected a split of .*got 'nope'"):
        evaluate(trained.folder.path, tiny_data, "nope")
    with pytest.raises(FileNotFoundError, match="data folder"):
        evaluate(trained.folder.path, tmp_path / "none")
    other = replace(load_data(tiny_data), classes=("x", "y", "z"))
    with pytest.raises(ValueError, match="of other classes: it has .*the data have x, y, z"):
        evaluate(trained.folder.path, other)
    for device in ("cuda:77", "gpu"):
        with pytest.raises(ValueError, match=f"`device` to be one of this machine, but got '{device}': "):
            evaluate(trained.folder.path, tiny_data, device=device)
