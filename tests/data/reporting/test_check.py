from __future__ import annotations

import json
import re

import pytest
from PIL import Image
from tests.data.layouts import (
    SAMPLES,
    Sample,
    coco_instances,
    one_split,
    write_coco,
    write_image,
    write_voc,
    write_yolo,
)
from tests.data.reporting.printed import printed
from tests.training.tiny import TINY

from torchghm.data import check_data, load_data
from torchghm.training.loop.datamodule import DetectionDataModule


@pytest.mark.parametrize("write", [write_coco, write_voc, write_yolo])
def test_counts_of_good_data(tmp_path, write):
    big = Sample(
        "big.png", "train", ((0, 0, 31, 33), (0, 0, 32, 32), (0, 0, 95, 97), (0, 0, 100, 100)), (0, 0, 1, 2), 100, 100
    )
    check = check_data(write(tmp_path / "data", (*SAMPLES, big)))
    assert check.usable
    assert check.problems == ()
    train = check.splits["train"]
    assert (train.images, train.images_without_boxes, train.boxes, train.crowds) == (4, 1, 7, 0)
    assert (train.small, train.medium, train.large) == (3, 3, 1)
    assert train.by_class == (3, 2, 2)
    text = printed(check)
    for expected in ("usable", "train", "val", "test", "ant", "bee", "cow", "42.9%", "no problems found"):
        assert expected in text
    assert "not usable" not in text


def test_crowds_are_counted_apart(tmp_path):
    annotations = [entry | {"iscrowd": 1} for entry in coco_instances(SAMPLES[:3])["annotations"][:2]]
    annotations.append({"id": 9, "image_id": 2, "category_id": 2, "bbox": [1, 1, 5, 5]})
    train = check_data(write_coco(tmp_path / "data", annotations=annotations)).splits["train"]
    assert (train.boxes, train.crowds, train.images_without_boxes, train.by_class) == (1, 2, 2, (0, 1, 0))


def test_every_bad_image_is_found(tmp_path):
    root = write_coco(tmp_path / "data", (*SAMPLES, Sample("f.png", "val", ((0, 0, 5, 5),), (0,))))
    truncated = root / "train2017" / "a.png"
    truncated.write_bytes(truncated.read_bytes()[:60])
    (root / "val2017" / "d.png").write_text("hello")
    write_image(root / "val2017" / "f.png", 30, 40)
    check = check_data(root)
    assert not check.usable
    assert {(problem.file, problem.what) for problem in check.problems} == {
        ("train2017/a.png", "unreadable-image"),
        ("val2017/d.png", "unreadable-image"),
        ("val2017/f.png", "size-mismatch"),
    }
    text = printed(check)
    assert "not usable" in text
    assert "is 30 x 40, but was annotated as 40 x 30" in text
    assert check_data(root, open_images=False).usable


def test_an_image_in_several_splits_is_opened_once(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\nc\nd\n")
    (root / "JPEGImages" / "a.png").write_text("hello")
    assert [problem.file for problem in check_data(root).problems] == ["JPEGImages/a.png"]


def test_all_problems_are_found_at_once_with_the_fatal_ones_first(tmp_path):
    annotations = coco_instances(SAMPLES[:3])["annotations"]
    annotations[0]["bbox"] = [5, 5, 0, 0]
    annotations[2]["category_id"] = 99
    root = write_coco(tmp_path / "data", annotations=annotations)
    (root / "val2017" / "d.png").unlink()
    (root / "annotations" / "instances_test2017.json").write_text("{")
    check = check_data(root)
    assert [problem.what for problem in check.problems] == [
        "malformed-annotations", "missing-image", "unknown-category", "box-without-area",
    ]  # fmt: skip
    assert not check.usable
    assert check.splits["train"].boxes == 1
    text = printed(check)
    for problem in check.problems:
        assert problem.what in text
        assert problem.file in text


def test_a_folder_of_no_known_layout_is_not_usable(tmp_path):
    check = check_data(tmp_path)
    assert not check.usable
    assert (check.layout, check.splits, check.classes) == ("unknown", {}, ())
    assert "data.yaml" in printed(check)
    with pytest.raises(FileNotFoundError):
        check_data(tmp_path / "nowhere")


def test_too_few_images_to_divide_are_not_usable(tmp_path):
    check = check_data(write_coco(tmp_path / "data", one_split(SAMPLES[:2])))
    assert [problem.what for problem in check.problems] == ["unusable-folder"]


def test_a_problem_is_the_same_in_check_and_load(tmp_path):
    root = write_coco(tmp_path / "data")
    file = root / "annotations" / "instances_train2017.json"
    instances = json.loads(file.read_text())
    instances["annotations"][0]["bbox"] = [-5, 0, 10, 10]
    file.write_text(json.dumps(instances))
    Image.new("RGB", (40, 30)).save(root / "train2017" / "a.png")
    check = check_data(root)
    assert check.usable
    assert [(problem.what, problem.count) for problem in check.problems] == [("box-clipped", 1)]


@pytest.mark.parametrize(
    ("samples", "split", "detail"),
    [
        ((*SAMPLES[:3], Sample("v.png", "val")), "val", "no image of 'val' has a box"),
        (SAMPLES[3:], "train", r"the data have no split 'train' \(they have 'val', 'test'\)"),
    ],
)
def test_what_training_refuses_is_not_usable(tmp_path, samples, split, detail):
    root = write_coco(tmp_path / "data", samples)
    check = check_data(root)
    assert not check.usable
    (found,) = (problem for problem in check.problems if problem.fatal)
    assert (found.file, found.what) == (split, "not-trainable")
    assert re.search(detail, found.detail)
    data = load_data(root)  # for an evaluation on another split, say
    with pytest.raises(ValueError, match=split):
        DetectionDataModule(data, TINY)
