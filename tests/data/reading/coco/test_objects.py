from __future__ import annotations

import math
import re
from typing import Any

import pytest
from tests.data.layouts import CLASSES, SAMPLES, coco_instances, write_coco

from torchghm.data import DataError, load_data

TRAIN = coco_instances(SAMPLES[:3])


def annotation(**keys: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 10]} | keys


def test_an_annotation_listed_twice_counts_once(tmp_path):
    moved = annotation(bbox=[3, 2, 10, 10])
    annotations = [annotation(), annotation(), moved, moved, annotation(id=8), annotation(id=9, category_id=2)]
    data = load_data(write_coco(tmp_path / "data", annotations=annotations))
    record = data.splits["train"][0]
    assert record.boxes.tolist() == [[1, 2, 11, 12], [3, 2, 13, 12], [1, 2, 11, 12]]
    assert record.labels.tolist() == [0, 0, 1]
    assert [(problem.what, problem.count) for problem in data.problems] == [
        ("repeated-annotation", 2), ("duplicate-object", 1),
    ]  # fmt: skip


def test_ids_crowds_and_mask_areas_are_kept(tmp_path):
    annotations = [
        annotation(area=42.5, iscrowd=0),
        annotation(iscrowd=1, area=math.nan),
        annotation(iscrowd=0, bbox=[2, 2, 10, 10]),
        annotation(area=1e300, bbox=[3, 2, 10, 10]),
        annotation(area="large", bbox=[4, 2, 10, 10]),
    ]
    images = [entry | {"id": entry["id"] + 100} for entry in TRAIN["images"]]
    annotations = [entry | {"image_id": 101} for entry in annotations]
    data = load_data(write_coco(tmp_path / "data", images=images, annotations=annotations))
    record = data.splits["train"][0]
    assert record.image_id == 101
    assert record.crowd.tolist() == [False, True, False, False, False]
    assert record.area.tolist() == [42.5, 100.0, 100.0, 100.0, 100.0]


def test_polygons_are_not_kept_and_do_not_matter(tmp_path):
    rle = {"counts": [1, 2], "size": [30, 40]}
    annotations = [annotation(segmentation=[[1, 2, 3, 4, 5, 6]]), annotation(segmentation=rle, iscrowd=1)]
    data = load_data(write_coco(tmp_path / "data", annotations=annotations))
    assert len(data.splits["train"][0].boxes) == 2


@pytest.mark.parametrize(
    ("first", "by", "words"),
    [
        (1, -1, "ids in 'categories' count from 1, as if those of the annotations counted from 0"),
        (0, 1, "ids in 'categories' count from 0, as if those of the annotations counted from 1"),
        (1, 1, "annotation id 1 has category 4$"),
        (5, 1, "annotation id 1 has category 8$"),
    ],
)
def test_ids_of_annotations_that_count_from_elsewhere_are_said(tmp_path, first, by, words):
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, first)]
    annotations = [
        annotation(id=at, category_id=first + by + (2 if by > 0 else 0) * (at == 1), bbox=[at, 2, 10, 10])
        for at in (1, 2)
    ][: 1 if first else 2]
    root = write_coco(tmp_path / "data", categories=categories, annotations=annotations)
    with pytest.raises(DataError) as caught:
        load_data(root)
    (problem,) = caught.value.problems
    assert problem.what == "unknown-category"
    assert re.search(words, problem.detail), problem.detail


def turned(angle: object, **keys: Any) -> dict[str, Any]:
    return annotation(attributes={"occluded": False, "rotation": angle}, **keys)


def test_boxes_that_an_attribute_turns_are_refused_unless_their_mask_shows_where_they_are(tmp_path):
    mask = [[1, 2, 11, 2, 11, 12, 1, 12]]
    upright = [turned(0.0), turned(180, bbox=[2, 2, 9, 9]), turned("x", bbox=[3, 2, 9, 9])]
    with_mask = turned(30, segmentation=mask, bbox=[1, 2, 10, 10.5])
    assert not load_data(
        write_coco(tmp_path / "a", annotations=[*upright, with_mask, annotation(category_id=2)])
    ).problems
    with pytest.raises(DataError, match="shapes-not-read: 1 of 3: 1 of 'rotated box'"):
        load_data(write_coco(tmp_path / "b", annotations=[*upright[:2], turned(-30.0, bbox=[3, 2, 9, 9])]))


def test_boxes_that_are_not_those_of_their_masks_are_refused(tmp_path):
    masks = [[[2 * x, 4, 2 * x + 20, 4, 2 * x + 20, 24, 2 * x, 24]] for x in (1, 3, 5)]
    annotations = [
        annotation(id=x, bbox=[x, 2, 10, 10], segmentation=mask) for x, mask in zip((1, 3, 5), masks, strict=True)
    ]
    with pytest.raises(DataError, match="boxes-unlike-masks: 3 of 3 share less than half"):
        load_data(write_coco(tmp_path / "data", annotations=annotations))
    assert len(load_data(tmp_path / "data", boxes="xywh").splits["train"].labels) == 3
    annotations[1:] = [entry | {"bbox": [2 * entry["bbox"][0], 4, 17, 22]} for entry in annotations[1:]]
    root = write_coco(tmp_path / "other", annotations=annotations)
    assert len(load_data(root).splits["train"].labels) == 3
