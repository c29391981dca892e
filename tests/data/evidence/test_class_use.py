from __future__ import annotations

from dataclasses import replace

import pytest
from tests.data.layouts import SAMPLES, write_coco, write_exported_coco, write_voc, write_yolo

from torchghm.data import load_data
from torchghm.data.evidence import class_use

WITHOUT_BEES = tuple(replace(sample, boxes=(), labels=()) if sample.name == "b.png" else sample for sample in SAMPLES)


@pytest.mark.parametrize("write", [write_coco, write_exported_coco, write_voc, write_yolo])
def test_a_class_that_nothing_is_trained_with_is_named(tmp_path, write):
    data = load_data(write(tmp_path / "data", WITHOUT_BEES))
    (problem,) = data.problems
    assert (problem.what, problem.count) == ("class-not-in-train", 1)
    assert "'bee' (1 in 'test')" in problem.detail


def test_a_class_that_is_spelled_otherwise_to_judge_by_is_named(tmp_path):
    root = write_voc(tmp_path / "data")
    file = root / "Annotations" / "d.xml"
    file.write_text(file.read_text().replace("ant<", "aunt<"))
    (problem,) = load_data(root).problems
    assert "'aunt' (1 in 'val')" in problem.detail


def test_nothing_is_said_of_classes_without_an_object_or_of_data_without_a_box_to_train_with(tmp_path):
    assert load_data(write_yolo(tmp_path / "data")).problems == ()  # no cow in val and test
    alone = tuple(sample for sample in SAMPLES if sample.split == "test")
    found = load_data(write_coco(tmp_path / "alone", alone))
    assert not class_use.use_problems(found.classes, found.splits)


@pytest.mark.parametrize("name", ["__ignore__", "DontCare", "ignored regions", "Background"])
def test_a_class_that_is_called_as_if_it_were_none(tmp_path, name):
    root = write_yolo(tmp_path / "data")
    (root / "data.yaml").write_text((root / "data.yaml").read_text().replace("cow", name))
    (problem,) = load_data(root).problems
    assert (problem.what, problem.count) == ("class-of-no-object", 1)
    assert f"1 objects of {name!r}" in problem.detail
