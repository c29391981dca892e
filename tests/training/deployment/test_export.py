import importlib.util
import itertools
import json

import pytest
import torch
from tests.cli.commands import refusal, torchghm
from tests.data.layouts import write_image

from torchghm.detection import build_detector, harmonize
from torchghm.training import export, predict
from torchghm.training.deployment.export import Exported, compared
from torchghm.training.deployment.formats import read, write
from torchghm.training.deployment.one_image import OneImageDetector

DETECTORS = {
    "retinanet": {"backbone": "resnet18", "image_size": (64, 96), "pyramid_channels": 32},
    "fcos": {"backbone": "resnet18", "image_size": (64, 96), "pyramid_channels": 32},
    "ssd300": {},
    "faster_rcnn": {"backbone": "resnet18", "image_size": (64, 96), "pyramid_channels": 32},
}


def detector(name):
    """A detector whose scores differ: two of the same score could come in either order."""
    torch.manual_seed(0)
    model = build_detector(name, num_classes=3, score_threshold=0.1, **DETECTORS[name])
    for parameters in (part.parameters() for key, part in model.named_children() if "head" in key or key == "rpn"):
        for weight in parameters:
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=1.2 / weight[0].numel() ** 0.5)
    return harmonize(model).eval()


@pytest.mark.parametrize(
    ("name", "format_"),
    # torch.export reasons for minutes about the sizes of a detector whose input may have any; an SSD's has one.
    [*itertools.product(DETECTORS, ("onnx", "torchscript")), ("ssd300", "torch.export")],
)
def test_the_file_finds_the_same_in_images_of_other_sizes(name, format_, tmp_path):
    model = detector(name)
    images = [torch.rand(3, 60, 80), torch.rand(3, 91, 47), torch.rand(3, 33, 120)]
    write(format_, OneImageDetector(model), images[0], ("ant", "bee", "cow"), tmp_path / "file")
    exported = read(format_, tmp_path / "file")
    assert exported.classes == ("ant", "bee", "cow")
    with torch.no_grad():
        expected = [model([image])[0] for image in images]
    seen = compared(tmp_path, expected, [exported.detect(image) for image in images])
    assert seen.images == 3
    assert seen.detections > 30
    assert {name for found in expected for name in found["labels"].tolist()} <= {0, 1, 2}


@pytest.mark.parametrize("format_", ["onnx", "torchscript"])
def test_a_run_is_exported_and_checked_with_its_validation_images(trained, tiny_data, tmp_path, format_):
    done = export(trained.folder.path, format_, data=tiny_data, out=tmp_path / "file")
    assert (done.file, done.images) == (tmp_path / "file", 2)
    assert done.file.stat().st_size > 1e6
    assert done.pixels < 0.05
    assert done.score < 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_predict_reads_the_onnx_file(trained, tmp_path):
    write_image(tmp_path / "one.png", 90, 50)
    export(trained.folder.last, "onnx", out=tmp_path / "found.onnx")
    found = []
    for source in (trained.folder.last, tmp_path / "found.onnx"):
        out = predict(source, [tmp_path / "one.png"], tmp_path / source.suffix, threshold=0, device="cpu").folder
        found.append(json.loads((out / "predictions.json").read_text()))
    for ours, theirs in zip(*found, strict=True):
        assert ours["category_name"] == theirs["category_name"]
        assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=0.05)
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-3)


def test_detections_that_differ_are_refused():
    one = {"boxes": torch.tensor([[1.0, 1, 9, 9]]), "scores": torch.tensor([0.5]), "labels": torch.tensor([0])}
    none = {name: value[:0] for name, value in one.items()}
    for other in (
        {**one, "boxes": one["boxes"] + 1},
        {**one, "scores": one["scores"] + 0.01},
        {**one, "labels": one["labels"] + 1},
        none,
    ):
        with pytest.raises(ValueError, match=r"does not find the same: [12] of [12] detections in 1 images"):
            compared(None, [one], [other])
        with pytest.raises(ValueError, match="does not find the same"):
            compared(None, [other], [one])
    assert compared(None, [none], [none]).detections == 0


def test_what_is_wrong_is_said_before_anything_is_written(trained, tiny_data, tmp_path, monkeypatch):
    run, images = trained.folder.path, tiny_data / "val2017"
    assert "Expected --format to be one of 'onnx', 'torchscript', 'torch.export', but got 'tflite'" in refusal(
        "export", run, "--format", "tflite"
    )
    assert "holds no run" in refusal("export", tmp_path)
    assert "there is no checkpoint" in refusal("export", tmp_path / "none.ckpt")
    assert "the data folder" in refusal("export", run, "--data", tmp_path / "none")
    assert "to be a file, but got a folder" in refusal("export", run, "--out", tmp_path)
    (tmp_path / "kept.onnx").write_text("mine")
    assert "exists: name another with --out" in refusal("export", run, "--out", tmp_path / "kept.onnx")
    assert (tmp_path / "kept.onnx").read_text() == "mine"
    assert "can't be read" in refusal("predict", tmp_path / "kept.onnx", images, "--out", tmp_path / "out")
    assert "there is no checkpoint" in refusal("predict", tmp_path / "no.onnx", images, "--out", tmp_path / "out")
    shown = torchghm("export", run, "--out", tmp_path / "kept.onnx", "--overwrite")
    assert shown.exit_code == 0, shown.output
    assert "in 3 images: boxes to" in shown.stdout
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "torchghm.training.deployment.formats.find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    assert refusal("export", run).endswith("pip install 'torchghm[export]'")


@pytest.mark.parametrize(("detections", "says"), [(0, "not compared: the checkpoint finds nothing"), (7, "the same 7")])
def test_a_comparison_of_nothing_is_not_called_the_same(trained, monkeypatch, tmp_path, detections, says):
    """Three made images show an untrained detector's file to be right, whatever it holds."""
    done = Exported(tmp_path / "file", 3, detections, 0.0, 0.0)
    monkeypatch.setattr("torchghm.training.deployment.export.export", lambda *args, **options: done)
    result = torchghm("export", trained.folder.path)
    assert result.exit_code == 0
    assert says in result.output
    assert f"exported: {tmp_path / 'file'}" in result.stdout
    assert ("the same" in result.output) == (detections > 0)
