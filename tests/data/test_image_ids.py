from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.data.layouts import write_coco, write_voc

from torchghm.data import load_data, split_data, write_data
from torchghm.data.image_ids import ids_by_name, ids_of_data


def with_text_ids(root: Path) -> Path:
    write_coco(root)
    for file in (root / "annotations").iterdir():
        content = json.loads(file.read_text())
        for entry in content["images"]:
            entry["id"] = f"{file.stem}_{entry['id']}"
        for entry in content["annotations"]:
            entry["image_id"] = f"{file.stem}_{entry['image_id']}"
        file.write_text(json.dumps(content))
    return root


def test_ids_by_name():
    files = [Path("a/007.jpg"), Path("b/2007_000027.jpg"), Path("7a.png"), Path("\N{SUPERSCRIPT TWO}.png")]
    assert ids_by_name(files) == [7, "2007_000027", "7a", "\N{SUPERSCRIPT TWO}"]


def test_equal_names_are_told_apart_by_their_paths():
    assert ids_by_name([Path("a/007.jpg"), Path("b/7.jpg")]) == ["a/007.jpg", "b/7.jpg"]


def test_text_ids_come_back_from_selections_and_other_splits(tmp_path):
    data = load_data(with_text_ids(tmp_path / "data"))
    files = [tmp_path / "data" / "train2017" / "c.png", tmp_path / "data" / "test2017" / "e.png"]
    expected = ["instances_train2017_3", "instances_test2017_1"]
    assert ids_of_data(data, files) == expected
    assert ids_of_data(split_data(data, val_fraction=0.3, test_fraction=0.3, seed=0), files) == expected


def test_text_ids_are_written_with_the_data(tmp_path):
    out = write_data(load_data(with_text_ids(tmp_path / "data")), tmp_path / "out", to="coco")
    assert ids_of_data(load_data(out), [out / "train" / "a.png"]) == ["instances_train2017_1"]


def test_a_layout_without_ids_has_the_names_unless_numbers_are_kept(tmp_path):
    root = write_voc(tmp_path / "data")
    image = root / "JPEGImages" / "d.png"
    assert ids_of_data(load_data(root), [image]) == ["d"]
    kept = write_data(load_data(write_coco(tmp_path / "coco")), tmp_path / "kept", to="voc")
    assert ids_of_data(load_data(kept), [kept / "JPEGImages" / "c.png"]) == [3]


def test_another_image_is_refused(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    with pytest.raises(ValueError, match=r"Expected images of the data set .*data', but got 'other\.png'"):
        ids_of_data(data, [Path("other.png")])
