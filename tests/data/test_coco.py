from __future__ import annotations

import codecs
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.layouts import CLASSES, SAMPLES, Sample, coco_instances, write_coco, write_exported_coco, write_image

from torchghm.data import DataError, load_data

TRAIN = coco_instances(SAMPLES[:3])
CATEGORIES = TRAIN["categories"]


def annotation(**keys: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 10]} | keys


def with_annotation(root: Path, **keys: Any) -> Path:
    """The good annotations and one more, that is not like them."""
    return write_coco(root, annotations=[*TRAIN["annotations"], annotation(**keys)])


def test_category_ids_with_gaps_become_labels_without(tmp_path):
    categories = [{"id": 90, "name": "cow"}, {"id": 3, "name": "ant"}, {"id": 17, "name": "bee"}]
    annotations = [annotation(category_id=17), annotation(category_id=90), annotation(category_id=3)]
    data = load_data(write_coco(tmp_path / "data", categories=categories, annotations=annotations))
    assert data.classes == ("ant", "bee", "cow")
    assert data.splits["train"][0].labels.tolist() == [1, 2, 0]
    assert data.problems == ()


def test_files_with_other_ids_for_the_same_names_agree_by_name(tmp_path):
    root = write_coco(tmp_path / "data")
    file = root / "annotations" / "instances_val2017.json"
    instances = json.loads(file.read_text())
    instances["categories"] = [{"id": 5, "name": "dog"}, {"id": 1, "name": "cow"}]
    file.write_text(json.dumps(instances))  # the object of category 1, an ant before, is a cow now
    data = load_data(root)
    assert data.classes == (*CLASSES, "dog")
    assert data.splits["val"][0].labels.tolist() == [2]


def test_categories_of_one_name_are_one_class(tmp_path):
    categories = [*CATEGORIES, {"id": 9, "name": "bee"}]
    annotations = [annotation(category_id=2), annotation(category_id=9)]
    data = load_data(write_coco(tmp_path / "data", categories=categories, annotations=annotations))
    assert data.classes == CLASSES
    assert data.splits["train"][0].labels.tolist() == [1, 1]
    assert [(problem.what, problem.detail) for problem in data.problems] == [("repeated-category-name", "'bee'")]


def test_ids_crowds_and_mask_areas_are_kept(tmp_path):
    annotations = [
        annotation(area=42.5, iscrowd=0),
        annotation(iscrowd=1, area=math.nan),
        annotation(iscrowd=0),
        annotation(area=1e300),
        annotation(area="large"),
    ]
    images = [entry | {"id": entry["id"] + 100} for entry in TRAIN["images"]]
    annotations = [entry | {"image_id": 101} for entry in annotations]
    data = load_data(write_coco(tmp_path / "data", images=images, annotations=annotations))
    record = data.splits["train"][0]
    assert record.image_id == 101
    assert record.crowd.tolist() == [False, True, False, False, False]
    assert record.area.tolist() == [42.5, 100.0, 100.0, 100.0, 100.0]


def test_crowds_alone_are_nothing_to_learn_from(tmp_path):
    with pytest.raises(DataError, match="no-training-boxes"):
        load_data(write_coco(tmp_path / "data", annotations=[annotation(iscrowd=1)]))


def test_polygons_are_not_kept_and_do_not_matter(tmp_path):
    rle = {"counts": [1, 2], "size": [30, 40]}
    annotations = [annotation(segmentation=[[1, 2, 3, 4, 5, 6]]), annotation(segmentation=rle, iscrowd=1)]
    data = load_data(write_coco(tmp_path / "data", annotations=annotations))
    assert len(data.splits["train"][0].boxes) == 2


@pytest.mark.parametrize(
    ("bbox", "what"),
    [
        ([5, 5, 0, 10], "box-without-area"),
        ([5, 5, 10, 0.0], "box-without-area"),
        ([5, 5, -3, 10], "box-without-area"),
        ([5, 5, 1e-9, 10], "box-without-area"),
        ([math.nan, 5, 10, 10], "box-not-finite"),
        ([5, 5, math.inf, 10], "box-not-finite"),
        ([1e308, 5, 1e308, 10], "box-not-finite"),
        ([50, 5, 10, 10], "box-outside"),
        ([-20, -20, 10, 10], "box-outside"),
        ([5, 30, 10, 10], "box-outside"),
        ([1e300, 1e300, 1e290, 1e290], "box-outside"),
        ([5, 5, 10], "box-malformed"),
        ([], "box-malformed"),
        (None, "box-malformed"),
        ("5 5 10 10", "box-malformed"),
        ([5, 5, "10", 10], "box-malformed"),
        ([5, 5, True, 10], "box-malformed"),
        ([10**400, 5, 10, 10], "box-malformed"),
        ({"x": 5}, "box-malformed"),
    ],
)
def test_boxes_that_cannot_be_learned_from_are_dropped_with_a_count(tmp_path, bbox, what):
    root = with_annotation(tmp_path / "data", bbox=bbox)
    data = load_data(root)
    assert data.splits["train"][0].boxes.tolist() == [list(box) for box in SAMPLES[0].boxes]
    (problem,) = data.problems
    assert (problem.file, problem.what, problem.count) == ("annotations/instances_train2017.json", what, 1)
    assert "annotation id 7" in problem.detail
    with pytest.raises(DataError, match=rf"instances_train2017\.json: {what}"):
        load_data(root, strict=True)


@pytest.mark.parametrize(
    ("bbox", "clipped"),
    [
        ([-5, 5, 10, 10], [0, 5, 5, 15]),
        ([35, 25, 10, 10], [35, 25, 40, 30]),
        ([-1e30, -1e30, 2e30, 2e30], [0, 0, 40, 30]),
    ],
)
def test_boxes_partly_outside_are_clipped(tmp_path, bbox, clipped):
    data = load_data(with_annotation(tmp_path / "data", bbox=bbox))
    assert data.splits["train"][0].boxes[-1].tolist() == clipped
    assert [problem.what for problem in data.problems] == ["box-clipped"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": [*CATEGORIES, {"id": 1, "name": "again"}]}, r"duplicate-category: ids 1"),
        ({"images": [*TRAIN["images"], TRAIN["images"][0]]}, r"duplicate-image-id: ids 1"),
        ({"annotations": [annotation(category_id=99)]}, r"unknown-category: 1: annotation id 7 has category 99"),
        ({"annotations": [annotation(category_id=None)]}, r"unknown-category: 1: annotation id 7 has category None"),
        ({"annotations": [annotation(category_id=[1])]}, r"unknown-category"),
        ({"annotations": [annotation(category_id=True)]}, r"unknown-category"),
        ({"annotations": {}}, r"malformed-annotations: expected a list under the key 'annotations', got dict"),
        ({"annotations": None}, r"malformed-annotations: expected a list under the key 'annotations', got NoneType"),
        ({"annotations": [1]}, r"malformed-annotations: expected objects in 'annotations'"),
        ({"images": [{"id": "one", "file_name": "a.png"}]}, r"malformed-annotations: expected whole numbers as ids"),
        ({"images": [{"id": 10**30, "file_name": "a.png"}]}, r"malformed-annotations: expected whole numbers as ids"),
        ({"images": [{"file_name": "a.png"}]}, r"malformed-annotations: expected whole numbers as ids in 'images'"),
        ({"images": [{"id": 1}]}, r"malformed-annotations: expected a file_name for image 1"),
        ({"images": [{"id": 1, "file_name": ["a.png"]}]}, r"malformed-annotations: expected a file_name for image 1"),
        ({"categories": [{"id": 1}]}, r"malformed-annotations: expected a name for category 1"),
        ({"categories": [{"id": 1.5, "name": "x"}]}, r"malformed-annotations: expected whole numbers as ids"),
        ({"images": [{"id": 1, "file_name": "gone.png"}]}, r"missing-image: 1 not in train2017/ or .*'gone\.png'"),
        ({"images": [{"id": 1, "file_name": ""}]}, r"missing-image"),
        ({"images": [{"id": 1, "file_name": "a\0.png"}]}, r"missing-image"),
        ({"images": [{"id": 1, "file_name": "\ud800/\ud800.png"}]}, r"missing-image"),
        ({"images": [{"id": 1, "file_name": "x/" * 3000 + "a.png"}]}, r"missing-image"),
        ({"images": [{"id": 1, "file_name": "."}]}, r"missing-image"),
        ({"images": [{"id": 1, "file_name": "../../secret.png"}]}, r"path-outside: .*secret\.png' leads out"),
        ({"images": [{"id": 1, "file_name": "x/../../../secret.png"}]}, r"path-outside"),
        ({"images": [{"id": 1, "file_name": "/etc/hostname"}]}, r"path-outside: '/etc/hostname' leads out"),
    ],
)  # fmt: skip
def test_what_makes_the_data_unusable_is_one_error_that_names_the_file(tmp_path, changes, message):
    root = write_coco(tmp_path / "data", **changes)
    write_image(tmp_path / "secret.png")
    with pytest.raises(DataError, match=rf"instances_train2017\.json: {message}"):
        load_data(root)


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_missing_key_is_named(tmp_path, key):
    root = write_coco(tmp_path / "data")
    file = root / "annotations" / "instances_train2017.json"
    instances = {name: value for name, value in json.loads(file.read_text()).items() if name != key}
    file.write_text(json.dumps(instances))
    with pytest.raises(DataError, match=rf"instances_train2017\.json: .*'{key}'"):
        load_data(root)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        json.dumps(TRAIN).encode()[:-20],
        json.dumps(TRAIN).encode("utf-8").replace(b"ant", b"\xff\xfe"),
        json.dumps(TRAIN).encode("utf-16")[:-3],
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"images": ' + b"9" * 6000 + b"}",
        bytes(range(256)),
        b"\x89PNG\r\n\x1a\n",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_file_that_is_no_coco_json_is_named(tmp_path, content):
    root = write_coco(tmp_path / "data")
    (root / "annotations" / "instances_train2017.json").write_bytes(content)
    with pytest.raises(DataError, match=r"instances_train2017\.json: malformed-annotations"):
        load_data(root)


@pytest.mark.parametrize("encode", [lambda text: codecs.BOM_UTF8 + text.encode(), lambda text: text.encode("utf-16")])
def test_the_encodings_of_json_are_read(tmp_path, encode):
    root = write_coco(tmp_path / "data")
    file = root / "annotations" / "instances_train2017.json"
    file.write_bytes(encode(file.read_text()))
    assert len(load_data(root).splits["train"]) == 3


def test_annotations_of_images_that_are_not_listed_are_dropped_with_a_count(tmp_path):
    annotations = [*TRAIN["annotations"], annotation(image_id=55), annotation(image_id=None), annotation(image_id=[1])]
    data = load_data(write_coco(tmp_path / "data", annotations=annotations))
    assert len(data.splits["train"].labels) == 3
    assert [(problem.what, problem.count) for problem in data.problems] == [("annotation-without-image", 3)]
    assert "annotation id 7 of image 55" in data.problems[0].detail


@pytest.mark.parametrize(
    "size", [{}, {"width": 0, "height": 0}, {"width": "40", "height": 30}, {"width": math.nan, "height": 1}]
)
def test_sizes_that_are_not_stated_are_read_from_the_image(tmp_path, size):  # fmt: skip
    images = [{"id": entry["id"], "file_name": entry["file_name"]} | size for entry in TRAIN["images"]]
    record = load_data(write_coco(tmp_path / "data", images=images)).splits["train"][0]
    assert (record.width, record.height) == (40, 30)


def test_an_image_without_stated_size_that_cannot_be_read_is_named(tmp_path):
    root = write_coco(tmp_path / "data", images=[{"id": 1, "file_name": "a.png"}])
    (root / "train2017" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train2017/a\.png: unreadable-image"):
        load_data(root)


def test_two_years_of_a_split_keep_their_names(tmp_path):
    root = write_coco(tmp_path / "data", SAMPLES[:3], year="2014")
    write_coco(tmp_path / "more", SAMPLES[:4])
    for file in ("annotations/instances_train2017.json", "annotations/instances_val2017.json", "train2017", "val2017"):
        (tmp_path / "more" / file).rename(root / file)
    assert list(load_data(root).splits) == ["train2014", "train2017", "val2017"]


def test_a_folder_with_one_exported_file_is_one_split(tmp_path):
    root = write_exported_coco(tmp_path / "data", (*SAMPLES[:3], Sample("z.png", "train")))
    data = load_data(root / "train")
    assert {split: len(records) for split, records in data.splits.items()} == {"train": 2, "val": 1, "test": 1}


def test_a_large_file_is_held_in_arrays(tmp_path):
    count = 2000
    images = [{"id": number, "file_name": "a.png", "width": 40, "height": 30} for number in range(count)]
    annotations = [annotation(id=number, image_id=number // 5) for number in range(5 * count)]
    records = load_data(write_coco(tmp_path / "data", images=images, annotations=annotations)).splits["train"]
    assert len(records) == count
    held = sum(array.nbytes for array in vars(records).values() if isinstance(array, np.ndarray))
    assert held < count * (5 * (16 + 8 + 1 + 4) + 5 * 8 + 8)
    assert not any(isinstance(value, (list, dict, tuple)) for value in vars(records).values())
    assert records[count - 1].boxes.tolist() == [[1, 2, 11, 12]] * 5
