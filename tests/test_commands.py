from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import torchghm
from tests.training.tiny import TINY
from torchghm.results.run import read_run

SMALL = TINY.with_values({"trainer.epochs": 1, "model.pyramid_channels": 32, "trainer.label_memory": False})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from tests.training.tiny import write_tiny_data

    place = tmp_path_factory.mktemp("commands")
    write_tiny_data(place / "data")
    return torchghm.train(place / "data", recipe=SMALL, out=place / "run", progress=False)


def test_a_training_returns_what_its_folder_holds(run):
    assert (run.path / "results.json").is_file()
    assert (run.cls, run.box, run.epochs) == ("ghmc", "ghmr", 1)
    assert run.metrics == read_run(run.path).metrics


def test_a_detector_finds_the_same_in_bytes_and_in_floats(run):
    detector = torchghm.load_detector(run.path, device="cpu")
    assert not detector.training
    assert detector.classes == run.classes
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for found, same in zip(detector([image, image[:, :40]]), detector([image / 255, image[:, :40] / 255]), strict=True):
        assert found["boxes"].shape[1:] == (4,)
        for name in ("boxes", "labels", "scores"):
            torch.testing.assert_close(found[name], same[name])
    with pytest.raises(ValueError, match=r"Expected argument `images` .*\[3, height, width\].*\[64, 64\]"):
        detector([image[0]])
    with pytest.raises(ValueError, match=r"floats in \[0, 1\], but got up to 25\d"):
        detector([image.float()])
    with pytest.raises(TypeError, match="a list of tensors .*, but got str"):
        detector(["image.jpg"])
    with pytest.raises(ValueError, match="at least one image"):
        detector([])


def test_an_evaluation_is_that_of_the_training(run):
    found = torchghm.evaluate(run.path, run.path.parent / "data", device="cpu")
    assert (found.split, found.images, found.classes) == ("val,test", 4, run.classes)
    assert found.metrics == run.metrics
    assert found.to_pandas()["ap"].to_dict() == pytest.approx(run.per_class, nan_ok=True)


def test_a_comparison_is_a_table(run):
    methods = [("ce", "smooth_l1"), ("ghmc", "smooth_l1")]
    changes = SMALL.with_values({"data.evaluate": "val"})
    place = run.path.parent
    found = torchghm.compare(
        place / "data", methods=methods, seeds=1, recipe=changes, out=place / "compared", progress=False
    )
    assert (found.baseline, found.seeds, found.split) == ("ce+smooth_l1", (0,), "val")
    assert (place / "compared" / "report.html").is_file()
    table = found.to_pandas().set_index(["method", "metric"])
    assert table.loc[("ghmc+smooth_l1", "ap"), "verdict"] == "one seed: no interval"
    assert table.loc["ce+smooth_l1", "difference"].isna().all()


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchghm.training.loop.processes", None)
    with pytest.raises(ModuleNotFoundError, match=r"torchghm.train needs .*: pip install 'torchghm\[train\]'"):
        torchghm.train(tmp_path, out=tmp_path)


def test_the_names_cost_no_import_of_what_they_need():
    check = "import sys, torchghm; torchghm.train, torchghm.load_detector; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.split()
    assert "torchghm.commands" in loaded
    assert not {"torch", "lightning", "torchvision", "pydantic", "pandas"} & set(loaded)
