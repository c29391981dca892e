from __future__ import annotations

import pytest

from torchghm.data.folders.finding import FoundFiles
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import Problem


@pytest.fixture
def folder(tmp_path):
    for name in ("images/a.jpg", "images/B.JPG", "images/x/c.jpg", "other/d.jpg", "images/e.jpg", "images/E.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return DataFolder(tmp_path)


def test_exact_names_before_loose_ones(folder):
    found = FoundFiles(folder, ["a.jpg", "b.jpg", "x\\c.jpg", "/home/u/images/x/c.jpg"], ("images", ""))
    assert found.by_name == {"a.jpg": "images/a.jpg", "b.jpg": "images/B.JPG"}
    assert found.renamed == ["b.jpg"]
    assert found.missing == ["x\\c.jpg", "/home/u/images/x/c.jpg"]  # two names for one file


def test_a_file_that_has_its_name_is_given_to_no_other(folder):
    found = FoundFiles(folder, ["old/a.jpg", "a.jpg"], ("images",))
    assert (found.by_name, found.missing) == ({"a.jpg": "images/a.jpg"}, ["old/a.jpg"])


def test_names_that_several_files_fit_stay_missing(folder):
    found = FoundFiles(folder, ["e.JPG"], ("images",))
    assert found.missing == ["e.JPG"]


def test_anywhere_is_asked_for_each_file(folder):
    assert FoundFiles(folder, ["d.jpg"], ("images",)).missing == ["d.jpg"]
    assert FoundFiles(folder, ["d.jpg"], ("images",), lambda name: "images" in name).missing == ["d.jpg"]
    assert FoundFiles(folder, ["d.jpg"], ("images",), lambda name: True).by_name == {"d.jpg": "other/d.jpg"}


def test_names_that_lead_out_are_reported_where_nothing_inside_fits(folder, tmp_path):
    (tmp_path.parent / "secret.jpg").touch()
    found = FoundFiles(folder, ["../secret.jpg", "/etc/hostname", "../a.jpg"], ("images", ""))
    assert len(found.outside) == 2
    assert found.by_name == {"../a.jpg": "images/a.jpg"}
    problems: list[Problem] = []
    found.report("list.txt", "of 'train'", problems)
    assert [(problem.what, problem.count) for problem in problems] == [("path-outside", 2), ("file-by-other-name", 1)]


def test_names_that_folders_none_of_which_is_likelier_have_with_different_contents(folder, tmp_path):
    for place, content in (("train", b"1"), ("val", b"2"), ("test", b"1")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.jpg").write_bytes(content)
    starts = ("train", "val", "test")
    assert not FoundFiles(folder, ["a.jpg"], starts).ambiguous
    assert not FoundFiles(folder, ["a.jpg"], starts, alike=[("train", "test"), ("val",)]).ambiguous
    assert not FoundFiles(folder, ["a.jpg"], ("train", "test"), alike=[starts]).ambiguous
    found = FoundFiles(folder, ["a.jpg"], starts, alike=[starts])
    assert found.ambiguous == {"a.jpg": ("train/a.jpg", "val/a.jpg")}
    problems: list[Problem] = []
    found.report("all.json", "of 'all'", problems)
    assert [problem.what for problem in problems] == ["ambiguous-image"]
