from __future__ import annotations

import pytest
from tests.data.odd.converted import cvat_set, labelme_set, via_set
from tests.data.odd.sets import write, write_coco, write_voc

from torchghm.data.folders.folder import DataFolder
from torchghm.data.reading.foreign.converted_places import LOOKED_FOR, annotation_files, split_of_file

MADE = {"cvat": cvat_set(), "labelme": labelme_set("{}.json", "{}.jpg"), "via": via_set()}
FILES = {
    "cvat": ["annotations.xml"],
    "labelme": ["p.json", "q.json", "r.json", "s.json"],
    "via": ["train/via_region_data.json", "val/via_region_data.json"],
}


@pytest.mark.parametrize("made", MADE)
def test_files_are_told_by_what_is_in_them(made, tmp_path):
    MADE[made](tmp_path)
    write(tmp_path / "notes.json", "{}")
    for layout in LOOKED_FOR:
        assert annotation_files(layout, DataFolder(tmp_path)) == (FILES[layout] if layout == made else [])


def test_a_damaged_file_of_labelme_is_not_overlooked(tmp_path):
    MADE["labelme"](tmp_path)
    (tmp_path / "q.json").write_text("")
    assert annotation_files("labelme", DataFolder(tmp_path)) == FILES["labelme"]


@pytest.mark.parametrize("make", [write_coco, write_voc])
def test_other_layouts_are_none_of_these(make, tmp_path):
    make(tmp_path)
    assert not any(annotation_files(layout, DataFolder(tmp_path)) for layout in LOOKED_FOR)


@pytest.mark.parametrize(
    ("layout", "file", "split"),
    [
        ("cvat", "annotations/train.xml", "train"),
        ("via", "Valid/via.json", "val"),
        ("labelme", "images/test_01.json", "all"),
        ("labelme", "test/a.json", "test"),
    ],
)
def test_split_of_file(layout, file, split):
    assert split_of_file(layout, file) == split
