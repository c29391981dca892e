from __future__ import annotations

import pytest
from tests.data.odd.sets import picture, write

from torchghm.data.folders.beside import folders_beside, free_top, has_images
from torchghm.data.folders.folder import DataFolder


@pytest.mark.parametrize(
    ("place", "top"),
    [
        ("", ""),
        ("images/train", ""),
        ("marks", "marks"),
        ("images/day 1/left", "images/day 1"),
        ("marks/train", "marks"),
    ],
)
def test_the_topmost_folder_of_a_free_name(place, top):
    assert free_top(place) == top


def test_folders_without_an_image_lie_beside_a_data_set(tmp_path):
    for place in ("images/day 1/a.jpg", "other set/images/a.JPG"):
        picture(tmp_path / place)
    for place in (
        "images/notes/a.txt",
        "annotations/a.xml",
        "marks/train/a.xml",
        "other set/labels/a.txt",
        "runs/a.txt",
    ):
        write(tmp_path / place, "")
    folder = DataFolder(tmp_path)
    assert folders_beside(folder) == ["marks", "marks/train"]
    assert has_images(folder, "other set/images")
    assert not has_images(folder, "other set")
    folder.parts = frozenset(("marks", "runs"))
    assert folders_beside(folder) == []
    assert folder.holds("marks/train")
    assert not folder.holds("runs")
