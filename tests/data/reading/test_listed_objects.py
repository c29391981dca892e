from __future__ import annotations

from math import nan

from tests.data.layouts import write_image

from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import Problem
from torchghm.data.reading.listed_objects import ListedObject, ListedObjects, listed_records
from torchghm.data.repairing.annotations import Annotations


def test_objects_of_images_that_are_there(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / name)
    listed = ListedObjects("list", ("",))
    listed.sizes = {"a.png": (None, None), "A.PNG": (None, None), "gone.png": (None, None), "c.png": (None, None)}
    listed.objects = [
        ListedObject("a.png", "owl", (1, 2, 11, 12), 1),
        ListedObject("gone.png", "hen", (1, 2, 11, 12), 2),
        ListedObject("c.png", "ant", (5, 5, nan, 15), 3, partly=True),
        ListedObject("c.png", "owl", None, 4),
        ListedObject("c.png", "owl", (5, 5, 15, 15), 5, crowd=True),
    ]
    listed.note("box-incomplete", "line 3")
    problems: list[Problem] = []
    annotations = {"train": Annotations(tmp_path, "line")}
    classes, splits = listed_records(DataFolder(tmp_path), {"train": listed}, annotations, problems)
    assert classes == ("ant", "hen", "owl")
    assert splits["train"].names() == ["a.png"]  # of the objects in c.png none is left
    assert splits["train"].labels.tolist() == [2]
    counts = {problem.what: problem.count for problem in problems}
    assert counts == {"missing-image": 2, "box-incomplete": 1, "image-left-out": 1}
