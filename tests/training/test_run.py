import csv
import json

import numpy as np
import pytest
import torch
import yaml
from tests.data.layouts import CLASSES, write_coco
from tests.training.tiny import TINY, samples, write_tiny_data

from torchghm.data import load_data
from torchghm.training import train
from torchghm.training.recipes.detector import build_from_recipe
from torchghm.training.run_folder import RunFolder


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_results(trained):
    results = trained.results
    assert results == json.loads(trained.folder.results.read_text())
    facts = {key: results[key] for key in ("name", "cls", "box", "seed", "split", "epochs", "steps", "classes")}
    assert facts == {"name": "ghmc + ghmr", "cls": "ghmc", "box": "ghmr", "seed": 0, "split": "val,test",
                     "epochs": 2, "steps": 4, "classes": list(CLASSES)}  # fmt: skip
    assert set(results["per_class"]) == set(CLASSES)
    assert set(results["metrics"]) == {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"}
    assert 0 <= results["metrics"]["ap"] <= 1
    assert results["metrics"]["ap_large"] is None
    assert results["seconds"] > 0


def test_checkpoints_load_without_running_code(trained):
    for path in (trained.folder.last, trained.folder.best):
        content = torch.load(path, weights_only=True)
        assert content["torchghm"]["classes"] == list(CLASSES)
        assert content["torchghm"]["recipe"] == TINY.plain()
        assert any(name.endswith("cls_loss.density_state.fractions") for name in content["state_dict"])
        assert yaml.safe_dump(content["torchghm"])  # plain types alone
    assert not [path for path in trained.folder.checkpoints.iterdir() if path.name.startswith(".")]


def test_samples_lie_beside_their_list(trained):
    entries = json.loads(trained.folder.samples.read_text())
    assert [entry["name"] for entry in entries] == ["5.png", "6.png", "7.png", "8.png"]
    for entry in entries:
        assert (trained.folder.path / entry["image"]).is_file()
        assert (entry["width"], entry["height"]) == (64, 64)
        assert {label["class"] for label in entry["labels"]} <= set(CLASSES)
        assert all({"box", "class", "score"} == set(found) for found in entry["predictions"])
    assert entries[0]["labels"][0] == {"box": [4.0, 4.0, 40.0, 44.0], "class": "ant"}


def test_every_loss_starts_from_the_same_weights():
    def weights(**values):
        return build_from_recipe(TINY.with_values(values), 3)[0].state_dict()

    first = weights()
    for other in (weights(**{"loss.cls": "focal", "loss.box": "l1"}), weights(**{"loss.scope": "reference"})):
        assert all(torch.equal(first[name], other[name]) for name in first.keys() & other.keys())
    assert not all(torch.equal(first[name], value) for name, value in weights(seed=1).items())


def test_building_leaves_the_callers_random_numbers_alone():
    state = torch.random.get_rng_state()
    build_from_recipe(TINY, 3)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_complete_run_is_left_as_it_is_when_resumed(trained, tiny_data):
    before = trained.folder.last.stat().st_mtime_ns
    assert train(tiny_data, out=trained.folder.path, resume=True, progress=False) == trained.results
    assert trained.folder.last.stat().st_mtime_ns == before


def test_a_checkpoint_of_other_classes_is_refused(trained, tmp_path):
    write_tiny_data(tmp_path / "data")
    for path in (tmp_path / "data" / "annotations").iterdir():
        path.write_text(path.read_text().replace('"bee"', '"wasp"'))
    with pytest.raises(ValueError, match=r"of other classes: it has ant, bee, cow; the data have ant, wasp, cow"):
        train(tmp_path / "data", recipe=TINY, out=trained.folder.path, resume=True)


def test_a_run_killed_before_its_first_file_was_whole_is_started(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / ".versions.json.123").touch()
    folder.check(TINY, resume=True)
    folder.prepare(TINY, "cpu")
    folder.recipe.unlink()  # killed between the two files
    folder.check(TINY, resume=True)
    with pytest.raises(FileExistsError, match="holds another run"):
        folder.check(TINY)
    (tmp_path / ".mine").touch()
    folder.versions.unlink()
    with pytest.raises(FileExistsError, match="holds no run"):
        folder.check(TINY, resume=True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data.evaluate": "tset"}, "Expected a split of .*got 'tset'"),
        ({"data.batch_size": 64}, "`data.batch_size` to be at most the 5 training images, but got 64"),
        ({"trainer.accumulate": 3}, "`data.batch_size` to be a multiple of 1 .* x 3"),
        ({"model.weights": "/nope.pt"}, "weights.*nope.pt"),
        ({"trainer.accelerator": "gpu", "trainer.devices": 77}, "^trainer.accelerator=gpu, trainer.devices=77: "),
        (
            {"trainer.precision": "16-mixed"},
            "^Expected `trainer.precision` to be 32-true or bf16-mixed on a CPU.*got '16-mixed'",
        ),
    ],
)
def test_recipes_that_do_not_fit_are_refused_before_anything_is_written(tiny_data, tmp_path, changes, says):
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        train(tiny_data, recipe=TINY.with_values(changes), out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_split_without_boxes_is_refused(tmp_path):
    emptied = [sample if sample.split != "val" else sample.__class__(sample.name, "val") for sample in samples()]
    with pytest.raises(ValueError, match="the split 'val' of .* has no box"):
        train(write_coco(tmp_path / "data", tuple(emptied)), recipe=TINY, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_overwriting_starts_anew_and_a_limit_of_steps_ends_with_a_validation(tiny_data, run_path):
    recipe = TINY.with_values(
        {"loss.cls": "focal", "loss.box": "smooth_l1", "trainer.max_steps": 1, "trainer.evaluate_checkpoint": "best"}
    )
    train(load_data(tiny_data), recipe=recipe, out=run_path, progress=False)
    (run_path / "beta_history.csv").write_text("left over")
    results = train(tiny_data, recipe=recipe, out=run_path, overwrite=True, progress=False)
    assert (results["steps"], results["epochs"], results["name"]) == (1, 1, "focal + smooth_l1")
    [row] = rows(run_path / "metrics.csv")
    assert row["val/ap"]
    assert float(row["train/cls_occupied_regions"]) >= 1
    assert 0 < float(row["train/cls_positive_share"]) < 1
    assert row["train/cls_largest_beta"] == ""
    assert not (run_path / "beta_history.csv").exists()
    counts = np.load(run_path / "gradient_norms.npz")
    assert (counts["focal_gamma"], counts["focal_alpha"]) == (2, 0.25)
    assert np.isnan(counts["bins_cls"])


def test_a_complete_run_is_evaluated_again_if_asked_in_another_way(tiny_data, run_path):
    recipe = TINY.with_values({"trainer.epochs": 1, "data.evaluate": "val"})
    first = train(tiny_data, recipe=recipe, out=run_path, progress=False)
    again = train(
        tiny_data, recipe=recipe.with_values({"data.evaluate": "test"}), out=run_path, resume=True, progress=False
    )
    assert (first["split"], again["split"]) == ("val", "test")
    # One that was interrupted in the evaluation: the recipe is the new one already, the results are not.
    RunFolder(run_path).write_recipe(recipe.with_values({"data.evaluate": "val,test"}))
    both = recipe.with_values({"data.evaluate": "val,test"})
    assert train(tiny_data, recipe=both, out=run_path, resume=True, progress=False)["split"] == "val,test"
    again = train(tiny_data, recipe=recipe, out=run_path, resume=True, progress=False)
    assert again["split"] == "val"
    assert again["seconds"] == first["seconds"]
    assert RunFolder(run_path).read_results() == again
