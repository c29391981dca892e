import csv
import json

import numpy as np
import pytest
import torch
import yaml
from tests.data.layouts import CLASSES, write_coco
from tests.training.tiny import TINY, samples, write_tiny_data

from torchghm.data import load_data
from torchghm.results.columns import METRIC_COLUMNS
from torchghm.training import load_recipe, train
from torchghm.training.loop.recipe_data import load_recipe_data
from torchghm.training.recipes.detector import build_from_recipe
from torchghm.training.run_folder import PACKAGES, RunFolder


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


def test_the_recipe_and_the_versions_are_kept(trained):
    assert load_recipe(trained.folder.recipe) == TINY
    versions = json.loads(trained.folder.versions.read_text())
    assert set(versions) == {"torchghm", *PACKAGES, "python", "platform", "device"}
    assert versions["device"] == "cpu"
    assert versions["torch"].startswith(torch.__version__.split("+")[0])


def test_metrics_have_a_row_an_epoch(trained):
    table = rows(trained.folder.metrics)
    assert tuple(table[0]) == METRIC_COLUMNS
    assert [(row["epoch"], row["step"]) for row in table] == [("0", "2"), ("1", "4")]
    assert float(table[1]["lr"]) == pytest.approx(5e-4 / 25 / 1e4)  # where one cycle ends
    filled = {name for name in METRIC_COLUMNS if table[1][name]}
    assert set(METRIC_COLUMNS) - filled == {"val/ap_large"}  # no such boxes in the data
    assert all(float(table[1][name]) >= 0 for name in filled)
    assert 0 < float(table[0]["train/cls_positive_share"]) < 1


def test_class_metrics_have_a_row_a_class_and_epoch(trained):
    table = rows(trained.folder.class_metrics)
    assert [(row["epoch"], row["class"]) for row in table] == [(epoch, name) for epoch in "01" for name in CLASSES]
    assert all(0 <= float(row["ap"]) <= 1 for row in table)


def test_betas_have_a_row_a_region_and_epoch(trained):
    table = rows(trained.folder.betas)
    assert [(row["loss"], row["epoch"]) for row in table].count(("cls", "1")) == 30
    assert [(row["loss"], row["epoch"]) for row in table].count(("box", "0")) == 10
    first = table[0]
    assert (first["region"], first["lower"], float(first["upper"])) == ("0", "0", pytest.approx(1 / 30, rel=1e-5))
    last_epoch = [row for row in table if (row["loss"], row["epoch"]) == ("cls", "1")]
    assert sum(float(row["fraction"]) for row in last_epoch) == pytest.approx(1, abs=1e-4)
    # Crowded regions are weighed down: that is the method.
    crowded = max(last_epoch, key=lambda row: float(row["fraction"]))
    assert float(crowded["beta"]) == min(float(row["beta"]) for row in last_epoch if float(row["fraction"]) > 0)


def test_tensorboard_has_the_same_curves(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.folder.tensorboard)).Reload()
    curve = events.Scalars("train/loss")
    table = rows(trained.folder.metrics)
    assert [event.step for event in curve] == [2, 4]
    assert [event.value for event in curve] == pytest.approx([float(row["train/loss"]) for row in table], rel=1e-4)
    assert "val/ap" in events.Tags()["scalars"]


def test_checkpoints_load_without_running_code(trained):
    for path in (trained.folder.last, trained.folder.best):
        content = torch.load(path, weights_only=True)
        assert content["torchghm"]["classes"] == list(CLASSES)
        assert content["torchghm"]["recipe"] == TINY.plain()
        assert any(name.endswith("cls_loss.density_state.fractions") for name in content["state_dict"])
        assert yaml.safe_dump(content["torchghm"])  # plain types alone
    assert not [path for path in trained.folder.checkpoints.iterdir() if path.name.startswith(".")]


def test_gradient_norms_count_every_example(trained, tiny_data):
    counts = np.load(trained.folder.gradient_norms)
    assert all(counts[name].dtype == np.float64 for name in counts)
    assert (
        counts["cls_positive"].shape == counts["cls_negative"].shape == counts["box_residual_counts"].shape == (1000,)
    )
    edges = counts["box_residual_edges"]
    assert edges.shape == (1001,)
    assert edges[0] == 0
    assert (np.diff(edges) > 0).all()
    # Every positive anchor is a positive example of one class, and has four residuals.
    assert counts["box_residual_counts"].sum() == 4 * counts["cls_positive"].sum() > 0
    anchors = 9 * (8 * 8 + 4 * 4 + 2 * 2 + 1 + 1)
    assert 0.8 < (counts["cls_negative"].sum() + counts["cls_positive"].sum()) / (4 * anchors * len(CLASSES)) <= 1
    assert (counts["bins_cls"], counts["bins_box"]) == (30, 10)
    assert all(counts[f"{of}_max_weight"] == 1 for of in ("cls", "box"))
    assert not any(counts[f"{of}_{option}"] for of in ("cls", "box") for option in ("by_regions", "exact"))
    assert np.isnan(counts["delta"])
    residual = counts["box_residual_counts"].cumsum()
    median = np.interp(residual[-1] / 2, residual, edges[1:])
    assert median / 2 < counts["mu"] < 2 * median  # of training batches so far, and of the trained model
    assert np.isnan(counts["focal_gamma"])
    assert np.isnan(counts["focal_alpha"])


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


def test_another_run_is_not_overwritten_unasked(trained, tiny_data):
    with pytest.raises(FileExistsError, match=r"holds another run.*--resume.*--overwrite"):
        train(tiny_data, recipe=TINY, out=trained.folder.path, progress=False)


def test_other_files_are_never_overwritten(tiny_data, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="is not empty and holds no run"):
            train(tiny_data, recipe=TINY, out=tmp_path, overwrite=overwrite, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_is_not_resumed_with_another_recipe(trained, tiny_data):
    with pytest.raises(ValueError, match=r"another recipe: optimizer.lr was 0.0005 and is 0.1"):
        train(tiny_data, recipe=TINY.with_values({"optimizer.lr": 0.1}), out=trained.folder.path, resume=True)


def test_a_checkpoint_of_other_classes_is_refused(trained, tmp_path):
    write_tiny_data(tmp_path / "data")
    for path in (tmp_path / "data" / "annotations").iterdir():
        path.write_text(path.read_text().replace('"bee"', '"wasp"'))
    with pytest.raises(ValueError, match=r"of other classes: it has ant, bee, cow; the data have ant, wasp, cow"):
        train(tmp_path / "data", recipe=TINY, out=trained.folder.path, resume=True)


def test_what_a_killed_process_left_behind_is_removed(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare(TINY, "cpu")
    folder.checkpoints.mkdir()
    for name in (".last.ckpt.123", "last.ckpt"):
        (folder.checkpoints / name).touch()
    (folder.path / ".results.json.7").touch()
    folder.prepare(TINY, "cpu", resume=True)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["last.ckpt"]
    assert sorted(path.name for path in folder.path.iterdir()) == ["checkpoints", "recipe.yaml", "versions.json"]


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
        ({"data.evaluate": "tset"}, "expected a split of .*got 'tset'"),
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


def test_a_folder_with_a_recipe_of_its_owner_is_no_run(tiny_data, tmp_path):
    (tmp_path / "recipe.yaml").write_text("name: mine\n")
    (tmp_path / "samples").mkdir()
    for arguments in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(FileExistsError, match="holds no run"):
            train(tiny_data, recipe=TINY, out=tmp_path, progress=False, **arguments)
    assert (tmp_path / "recipe.yaml").read_text() == "name: mine\n"
    assert (tmp_path / "samples").is_dir()


def test_overwriting_a_run_removes_all_of_it(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare(TINY, "cpu")
    for file in (folder.page, folder.results, folder.class_metrics):
        file.write_text("{}")
    folder.prepare(TINY, "cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "versions.json"]


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


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_on_a_processor_without_it_is_said(tiny_data, tmp_path, caplog, monkeypatch, supported):
    monkeypatch.setattr("torchghm.training.trainer._computes_in_bfloat16", lambda: supported)
    recipe = TINY.with_values({"trainer.precision": "bf16-mixed", "data.evaluate": "tset"})
    with pytest.raises(ValueError, match="tset"):
        train(tiny_data, recipe=recipe, out=tmp_path / "run")
    assert [message.split(":")[0] for message in caplog.messages] == ["trainer.precision"] * (not supported)


def test_what_was_dropped_is_said_with_a_count(tmp_path, caplog):
    broken = samples()
    root = write_coco(tmp_path / "data", broken)
    file = root / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"][:2]:
        annotation["bbox"][2] = 0
    file.write_text(json.dumps(content))
    with caplog.at_level("WARNING", logger="torchghm"):
        load_recipe_data(root, TINY.data)
    assert caplog.messages == [
        f"{root}: box-without-area: 2 (boxes of zero width or height, dropped)",
        f"{root}: image-left-out: 1 (images all of whose objects were dropped, left out)",
    ]
