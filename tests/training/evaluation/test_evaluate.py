import shutil
from dataclasses import replace

import pytest
from tests.data.layouts import CLASSES

from torchghm.data import load_data
from torchghm.results.diagnosis import ERROR_KINDS
from torchghm.results.evaluation import read_evaluation
from torchghm.results.run import read_run
from torchghm.training import evaluate
from torchghm.training.evaluation.evaluate import evaluate_records
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.run_folder import RunFolder


def test_a_run_evaluates_to_its_results(trained, tiny_data):
    again = evaluate(trained.folder.path, tiny_data, device="cpu", write=False)
    assert again.metrics == trained.results["metrics"]
    assert again.per_class == trained.results["per_class"]
    assert (again.split, again.images, again.classes) == ("val,test", 4, CLASSES)
    assert again.checkpoint == str(trained.folder.last)
    assert not trained.folder.evaluation.exists()


def test_a_checkpoint_and_a_split(trained, tiny_data):
    result = evaluate(trained.folder.best, tiny_data, "test", device="cpu")
    assert (result.split, result.images) == ("test", 2)


def test_thresholds_are_chosen_on_val_whatever_is_evaluated(trained, tiny_data):
    of = {split: evaluate(trained.folder.path, tiny_data, split, write=False).diagnosis for split in ("val", "test")}
    assert of["val"].chosen_on == of["test"].chosen_on == "val"
    assert of["val"].threshold == of["test"].threshold
    for objects, diagnosis in zip((4, 5), of.values(), strict=True):
        assert sum(map(sum, diagnosis.confusion[:-1])) == diagnosis.overall.objects == objects
        assert sum(curve.objects for curve in diagnosis.by_class) == objects
        right = sum(diagnosis.confusion[label][label] for label in range(3))
        wrong = sum(sum(diagnosis.errors[kind].values()) for kind in ERROR_KINDS if kind != "missed")
        assert right + wrong == sum(sum(row[:-1]) for row in diagnosis.confusion)
    without = load_data(tiny_data)
    without = replace(without, splits={"test": without.splits["test"]})
    assert evaluate(trained.folder.path, without, "test", write=False).diagnosis.chosen_on == "test"


def test_a_run_keeps_its_evaluation_and_its_worst_images(trained, tiny_data, tmp_path):
    run = RunFolder(tmp_path / "run")
    shutil.copytree(trained.folder.path, run.path)
    stale = run.worst_images.with_suffix("") / "9.jpg"
    stale.parent.mkdir()
    stale.touch()
    found = evaluate(run.path, tiny_data, "test")
    assert read_evaluation(run.evaluation) == found
    assert not stale.exists()
    worst = read_run(run.path).worst_images
    assert 0 < len(worst) <= 2
    assert all(box.score >= found.diagnosis.threshold for sample in worst for box in sample.predictions)
    table = found.diagnosis.to_pandas()
    assert [*table.index] == list(CLASSES)
    assert table["objects"].sum() == 5
    evaluate(run.last, tiny_data, "val")
    assert read_evaluation(run.evaluation).split == "test"


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
