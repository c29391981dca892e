from __future__ import annotations

import pytest

from torchghm.data.folders.folder import DataFolder
from torchghm.data.folders.patterns import fitting, is_pattern


@pytest.mark.parametrize(
    ("pattern", "folders", "files"),
    [
        ("images/*", ["images/a"], ["images/1.png", "images/2.jpg"]),
        ("images/*.png", [], ["images/1.png"]),
        ("images/?.jpg", [], ["images/2.jpg"]),
        ("./images/**/*.png", [], ["images/1.png", "images/a/3.png"]),
        ("*", ["images"], []),
        ("*/b", [], []),
        ("../*", [], []),
    ],
)
def test_what_a_pattern_stands_for(tmp_path, pattern, folders, files):
    (tmp_path / "data/images/a").mkdir(parents=True)
    for name in ("images/1.png", "images/2.jpg", "images/a/3.png", "../4.png"):
        (tmp_path / "data" / name).write_bytes(b"")
    assert fitting(DataFolder(tmp_path / "data"), pattern) == (folders, files)
    assert is_pattern(pattern)
    assert not is_pattern("images/train")


def test_many_folders_in_a_row_take_no_longer(tmp_path):
    place = tmp_path.joinpath(*"abcdefghijklmnop")
    place.mkdir(parents=True)
    (place / "q.jpg").write_bytes(b"")
    pattern = "/".join(["**"] * 40 + ["q.png"])
    assert fitting(DataFolder(tmp_path), pattern) == ([], [])
