from __future__ import annotations

from tests.training.tiny import TINY

from torchghm.data import load_data
from torchghm.training.opening import opening


def test_a_line_says_each_thing_that_a_run_is_about(tiny_data):
    text = opening(load_data(tiny_data), TINY, device="cpu", steps=4)
    lines = {line[:12].strip(): line[12:] for line in text.splitlines()}
    assert lines["data"] == f"{tiny_data}, layout coco"
    assert lines["images"] == "train 5, val 2, test 2; 18 boxes"
    assert lines["classes"].startswith("3: ")
    assert lines["image size"] == "fitted into 64 x 64"
    assert lines["detector"] == "retinanet, backbone resnet18, weights none"
    assert lines["losses"] == "ghmc + ghmr"
    assert lines["device"] == "cpu, 32-true"
    assert lines["steps"].startswith("4 of 2 images, at most 2 epochs; ")


def test_a_detector_of_one_size_and_backbone_has_none_to_name(tiny_data):
    text = opening(load_data(tiny_data), TINY.with_values({"model.detector": "ssd300"}), device="cpu", steps=4)
    assert "detector    ssd300, weights none" in text
    assert "image size  that of the detector" in text
