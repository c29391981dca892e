from __future__ import annotations

import pytest
from tests.data.odd.sets import write

from torchghm.data.evidence.class_lists import ClassLists, class_names, lists_in
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("cat\ndog\n\n", ("cat", "dog")),
        ("0 cat\n1 dog\n", ("cat", "dog")),
        ("1: dog\n0: cat", ("cat", "dog")),
        ("1 euro\n2 euro\n", ("1 euro", "2 euro")),
        ("# pets\ncat\n", ("cat",)),
        ("#a\n#b\n", ("#a", "#b")),
    ],
)
def test_names_of_a_list(tmp_path, content, names):
    write(tmp_path / "classes.txt", content)
    assert class_names(DataFolder(tmp_path), "classes.txt") == names


@pytest.mark.parametrize("content", ["", "cat\n\ndog\n", "cat\ncat\n"])
def test_what_is_no_list_of_names(tmp_path, content):
    write(tmp_path / "classes.txt", content)
    with pytest.raises(FileError, match="expected different class names in classes.txt"):
        class_names(DataFolder(tmp_path), "classes.txt")


def test_lists_of_usual_names_come_first(tmp_path):
    for name in ("a.names", "names.txt", "classes.txt", "b.labels", "c.txt"):
        write(tmp_path / name, "cat\n")
    assert lists_in(DataFolder(tmp_path), "") == ["classes.txt", "names.txt", "a.names", "b.labels"]


def test_a_further_class_counts_once_it_is_used(tmp_path):
    write(tmp_path / "b/classes.txt", "emu\ndog\n")
    lists = ClassLists(DataFolder(tmp_path), "a/classes.txt", ("cat", "dog"), stated=False)
    lists.compare([("a/1.txt", "a/1.jpg"), ("b/1.txt", "b/1.jpg")])
    own = lists.own("b/1.txt", "b/1.jpg")
    assert own is not None
    assert (own.names, own.numbers) == (("emu", "dog"), {0: 2, 1: 1})
    assert lists.own("a/1.txt", "a/1.jpg") is None
    assert lists.classes(1) == ("cat", "dog")
    assert lists.classes(2) == ("cat", "dog", "emu")


def test_the_labels_of_an_image_called_classes_are_no_list(tmp_path):
    write(tmp_path / "labels/classes.txt", "0 0.5 0.5 0.1 0.1\n")
    lists, problems = ClassLists(DataFolder(tmp_path), "data.yaml", ("cat",), stated=True), []
    lists.compare([("labels/classes.txt", "images/classes.jpg")])
    lists.report(problems)
    assert not problems
