"""`torchghm review` from a training to a corrected copy, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
from tests.data.layouts import write_yolo
from tests.training.tiny import TINY, write_tiny_data
from typer.testing import CliRunner

from torchghm.cli.app import app
from torchghm.data import load_data
from torchghm.training import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    data = write_tiny_data(folder / "data")
    recipe = TINY.with_values({"trainer.epochs": 1, "model.pyramid_channels": 64, "model.prior": 0.3})
    train(data, recipe=recipe, out=folder / "run", progress=False)
    train(data, recipe=recipe.with_values({"trainer.label_memory": False}), out=folder / "bare", progress=False)
    yield folder
    shutil.rmtree(folder)


def call(*arguments):
    result = CliRunner().invoke(app, ["review", *map(str, arguments)])
    return result.exit_code, result.output


def test_from_a_run_to_a_corrected_copy(folder, tmp_path):
    code, said = call(folder / "run", "--out", tmp_path / "out")
    assert code == 0, said
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        "review.html", "findings.csv", "findings.json", "fiftyone.json", "label_studio.json", "cvat.xml",
    }  # fmt: skip
    with (tmp_path / "out" / "findings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    row = next(row for row in rows if row["kind"] != "missing")
    box = [float(row[side]) for side in ("x1", "y1", "x2", "y2")]
    decision = {
        "finding": row["finding"], "kind": "spurious", "decision": "accept", "image": row["image"],
        "class": row["class"], "box": box,
    }  # fmt: skip
    (tmp_path / "d.json").write_text(json.dumps({"torchghm_review": 1, "decisions": [decision]}))
    code, said = call("--apply", tmp_path / "d.json", folder / "data", tmp_path / "copy")
    assert code == 0, said
    before, after = (len(load_data(place).splits["train"].labels) for place in (folder / "data", tmp_path / "copy"))
    assert after == before - 1


def test_a_copy_is_made_of_data_that_are_read_as_for_the_training(tmp_path):
    """Here without label files for most images, which nothing but --unlabelled takes."""
    data = write_yolo(tmp_path / "data")
    for file in data.rglob("labels/**/*.txt"):
        if file.stem != "a":
            file.unlink()
    records = load_data(data, unlabelled="background").splits["train"]
    index = next(index for index, name in enumerate(records.names()) if name.endswith("b.png"))
    decision = {
        "finding": "missing", "kind": "missing", "decision": "accept", "image": records.name(index),
        "suggested_class": "ant", "suggested_box": [2.0, 2.0, 12.0, 12.0],
    }  # fmt: skip
    (tmp_path / "d.json").write_text(json.dumps({"torchghm_review": 1, "decisions": [decision]}))
    apply = ("--apply", tmp_path / "d.json", data, tmp_path / "copy")
    code, said = call(*apply)
    assert code == 2, said
    code, said = call(*apply, "--unlabelled", "background")
    assert code == 0, said
    after = load_data(tmp_path / "copy", unlabelled="background").splits["train"]
    assert len(after.labels) == len(records.labels) + 1


def test_a_run_without_a_memory_is_reviewed_from_its_final_model_and_says_so(folder, tmp_path):
    code, said = call(folder / "bare", "--out", tmp_path / "out")
    assert code != 0
    assert "name them with --data" in said
    code, said = call(folder / "bare", "--data", folder / "data", "--out", tmp_path / "out")
    assert code == 0, said
    assert "the run has no memory of labels" in (tmp_path / "out" / "review.html").read_text()


def test_data_that_changed_are_named(folder, tmp_path):
    shutil.copytree(folder / "data", tmp_path / "data")
    path = tmp_path / "data" / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [1, 1, 9, 9]
    path.write_text(json.dumps(content))
    code, said = call(folder / "run", "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert code != 0
    assert "ant at [1.0, 1.0, 10.0, 10.0] in" in said.replace("\n", "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Expected `torchghm review RUN --out DIR`"),
        (["--apply", "d.json", "data"], "Expected `torchghm review --apply DECISIONS DATA OUT`"),
        (["--apply", "d.json", "data", "copy", "--device", "cpu"], "no option but --layout"),
        (["run", "--out", "out", "--boxes", "xyxy"], "Expected --boxes with --apply, but got it for a run"),
        (["--apply", "nothing.json", "data", "copy"], "there is no file of decisions"),
        (["run", "--out", "data"], "nothing is overwritten"),
    ],
)
def test_what_is_refused(folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    code, said = call(*arguments)
    assert code != 0
    assert message in said.replace("\n", " ")
