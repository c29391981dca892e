from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.results.synthetic_folders import CLASSES, write_run

from torchghm.results.run import read_run


def edit(path: Path, change: Callable[[object], object]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def test_everything_is_read(run_folder: Path):
    run = read_run(run_folder)
    assert (run.name, run.method, run.seed, run.split) == ("ghmc + ghmr", "ghmc+ghmr", 0, "val,test")
    assert run.metrics["ap"] == 0.5
    assert run.metrics["ap_small"] is None
    assert run.classes == CLASSES
    assert run.history["epoch"].tolist() == [0, 1, 2, 3, 4, 5]
    assert np.isnan(run.history["val/ap75"][0])
    assert run.weights["cls"].beta.shape == (6, 30)
    assert run.weights["box"].beta.shape == (6, 10)
    assert run.norms is not None
    assert run.norms.cls_positive.shape == (1000,)
    assert run.norms.mu == 0.02
    assert np.isnan(run.norms.focal_gamma)
    assert [sample.name for sample in run.samples] == ["cells_1.jpg", "1_cells_1.jpg"]
    assert run.samples[0].predictions[0].score == 0.9
    assert run.samples[0].labels[0].area == 34 * 34
    assert "epochs: 6" in (run.recipe or "")
    assert run.versions["torch"] == "2.11.0"


@pytest.mark.parametrize(
    ("file", "attribute"),
    [
        ("metrics.csv", "history"),
        ("beta_history.csv", "weights"),
        ("gradient_norms.npz", "norms"),
        ("samples.json", "samples"),
        ("recipe.yaml", "recipe"),
        ("versions.json", "versions"),
    ],
)
def test_an_optional_file_may_be_missing(run_folder: Path, file: str, attribute: str):
    assert getattr(read_run(run_folder), attribute)
    (run_folder / file).unlink()
    assert not getattr(read_run(run_folder), attribute)


def test_a_sample_without_its_picture_is_left_out(run_folder: Path):
    (run_folder / "samples/0.jpg").unlink()
    assert [sample.name for sample in read_run(run_folder).samples] == ["1_cells_1.jpg"]


def test_no_results_is_no_run(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"results\.json"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("results.json", "[]", "the file in .*results.json to be an object"),
        ("results.json", '{"box": "ghmr"}', "`cls` in .*results.json to be a string, but got None"),
        ("results.json", '{"cls": "a", "box": "b", "metrics": {"ap": "high"}}', r"`metrics`\['ap'\]"),
        ("results.json", '{"cls": "a", "box": "b", "classes": [1]}', "`classes` in .* a list of strings"),
        ("metrics.csv", "step\n1\n", "metrics.csv to have the columns epoch"),
        ("metrics.csv", "epoch,val/ap\n0,0.1\n1,high\n", "metrics.csv, line 3, column `val/ap`, but got 'high'"),
        ("metrics.csv", "epoch,val/ap\n,0.1\n", "column `epoch` in .*metrics.csv"),
        ("beta_history.csv", "loss,epoch,region\ncls,0,0\n", "beta_history.csv to have the columns"),
        ("beta_history.csv", "loss,epoch,region,beta\ncls,0,-1,1\n", "line 2 to give an epoch, a region from 0"),
        ("beta_history.csv", "loss,epoch,region,beta\ncls,0,0,-1\n", "beta of at least 0"),
        ("gradient_norms.npz", "not a zip", "gradient_norms.npz to hold the arrays"),
        ("samples.json", "{}", "`samples` in .*samples.json to be a list"),
        ("samples.json", '[{"image": "samples/0.jpg", "width": 0, "height": 3}]', "a width and a height"),
        ("versions.json", "3", "versions.json to be an object"),
    ],
)
def test_a_malformed_file_names_itself_and_the_field(run_folder: Path, file: str, content: str, message: str):
    (run_folder / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_run(run_folder)


@pytest.mark.parametrize("file", ["recipe.yaml", "metrics.csv", "results.json"])
def test_text_that_is_not_utf8_is_refused(run_folder: Path, file: str):
    (run_folder / file).write_bytes(b"epoch\n\xff\n")
    with pytest.raises(ValueError, match=file):
        read_run(run_folder)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ({"box": [1, 2, 3], "class": "RBC", "score": 0.5}, r"predictions\[0\].box` in .* a list of 4 numbers"),
        ({"box": [1, 2, 3, None], "class": "RBC", "score": 0.5}, "four numbers"),
        ({"box": [1, 2, 3, 4], "class": "RBC", "score": 2}, r"a number in \[0, 1\]"),
        ({"box": [1, 2, 3, 4], "class": "RBC"}, "score"),
        ({"box": [1, 2, 3, 4], "class": 7, "score": 0.5}, r"predictions\[0\].class` in .* a string"),
    ],
)
def test_malformed_boxes(run_folder: Path, box: dict[str, object], message: str):
    edit(run_folder / "samples.json", lambda samples: [{**samples[0], "predictions": [box]}])
    with pytest.raises(ValueError, match=message):
        read_run(run_folder)


def test_a_picture_outside_the_folder_is_refused(run_folder: Path):
    edit(run_folder / "samples.json", lambda samples: [{**samples[0], "image": "../../secret.jpg"}])
    with pytest.raises(ValueError, match=r"samples\[0\].image` in .* a path inside the folder"):
        read_run(run_folder)


def test_names_are_made_printable(tmp_path: Path):
    run = read_run(write_run(tmp_path / "run", classes=("a\u202eb",)))
    assert run.classes == ("a\ufffdb",)
    assert list(run.per_class) == ["a\ufffdb"]
