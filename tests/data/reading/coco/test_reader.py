from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tests.data.layouts import CLASSES, SAMPLES, coco_instances, one_split, write_coco

from torchghm.data import DataError, load_data

TRAIN = coco_instances(SAMPLES[:3])
CATEGORIES = TRAIN["categories"]


def annotation(**keys: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 10]} | keys


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
    annotations = [annotation(category_id=2), annotation(category_id=9, bbox=[3, 2, 10, 10])]
    root = write_coco(tmp_path / "data", SAMPLES[:3], categories=categories, annotations=annotations)
    data = load_data(root, val_fraction=0, test_fraction=0)
    assert data.classes == CLASSES
    assert data.splits["train"][0].labels.tolist() == [1, 1]
    assert [(problem.what, problem.detail) for problem in data.problems] == [("repeated-category-name", "'bee'")]


ALL = coco_instances(one_split(SAMPLES))


def from_zero(*names, supercategory=None):
    return [{"id": number, "name": name, "supercategory": supercategory} for number, name in enumerate(names)]


def test_a_first_category_without_an_object_looks_like_ids_from_1(tmp_path):
    root = write_coco(tmp_path / "data", one_split(SAMPLES), categories=from_zero(*CLASSES, "dog"))
    (problem,) = load_data(root, val_fraction=0, test_fraction=0).problems
    assert problem.what == "first-class-unused"
    assert "no object is of category 0 ('ant')" in problem.detail


@pytest.mark.parametrize(
    "categories",
    [
        from_zero("animals", *CLASSES, supercategory="animals"),  # as an annotation service exports them
        from_zero("__background__", *CLASSES),
        [{"id": number, "name": name} for number, name in enumerate(("dog", *CLASSES), 7)],
    ],
)
def test_a_first_category_that_is_none_or_does_not_count_from_0_says_nothing(tmp_path, categories):
    change = {entry["name"]: entry["id"] for entry in categories}
    annotations = [entry | {"category_id": change[CLASSES[entry["category_id"] - 1]]} for entry in ALL["annotations"]]
    root = write_coco(tmp_path / "data", one_split(SAMPLES), categories=categories, annotations=annotations)
    assert load_data(root, val_fraction=0, test_fraction=0).problems == ()


def test_crowds_alone_are_nothing_to_learn_from(tmp_path):
    with pytest.raises(DataError, match="all-crowds: all 1 objects of 'train'"):
        load_data(write_coco(tmp_path / "data", annotations=[annotation(iscrowd=1)]))
    data = load_data(tmp_path / "data", crowds="objects")
    assert data.splits["train"].crowd.tolist() == [False]


def test_an_image_without_stated_size_that_cannot_be_read_is_named(tmp_path):
    root = write_coco(tmp_path / "data", images=[{"id": 1, "file_name": "a.png"}])
    (root / "train2017" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train2017/a\.png: unreadable-image"):
        load_data(root)


def test_a_large_file_is_held_in_arrays(tmp_path):
    count = 2000
    images = [{"id": number, "file_name": f"{number}.png", "width": 40, "height": 30} for number in range(count)]
    annotations = [
        annotation(id=number, image_id=number // 5, bbox=[number % 5, 2, 10, 10]) for number in range(5 * count)
    ]
    root = write_coco(tmp_path / "data", images=images, annotations=annotations)
    for number in range(count):
        (root / "train2017" / f"{number}.png").touch()  # never opened: its size is stated
    records = load_data(root).splits["train"]
    assert len(records) == count
    held = sum(array.nbytes for array in vars(records).values() if isinstance(array, np.ndarray))
    assert held < count * (5 * (16 + 8 + 1 + 4) + 5 * 8 + 8)
    assert not any(isinstance(value, (list, dict, tuple)) for value in vars(records).values())
    assert records[count - 1].boxes.tolist() == [[x, 2, x + 10, 12] for x in range(5)]
