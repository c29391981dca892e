from __future__ import annotations

import unicodedata

import pytest

from torchghm.data.folders.file_names import is_hidden, loose_name, tails


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A b.JPG", "a%20b.jpg"),
        (unicodedata.normalize("NFD", "k\u00e4fer"), "K%C3%84FER"),
        ("stra\u00dfe.png", "STRASSE.png"),
    ],
)
def test_names_that_are_loosely_the_same(first, second):
    assert loose_name(first) == loose_name(second)


def test_percent_signs_that_stand_for_nothing_stay():
    assert loose_name("100%.jpg") == "100%.jpg"
    assert loose_name(" a b.jpg ") == "a b.jpg"
    assert loose_name("a%ff.jpg") == "a%ff.jpg"


def test_tails_drop_the_first_folders_one_by_one():
    assert list(tails("C:\\Users\\x\\a.jpg")) == ["C:/Users/x/a.jpg", "Users/x/a.jpg", "x/a.jpg", "a.jpg"]
    assert list(tails("../../x/./a.jpg")) == ["x/a.jpg", "a.jpg"]
    assert list(tails("x/" * 3000)) == []
    assert list(tails("..")) == []


def test_what_systems_leave_behind_is_hidden():
    assert all(map(is_hidden, ("._a.jpg", ".DS_Store", "__MACOSX", ".ipynb_checkpoints")))
    assert not any(map(is_hidden, ("a.jpg", "_annotations.coco.json", "__init__")))
