from __future__ import annotations

import pytest
from tests.data.layouts import CLASSES
from tests.data.odd.sets import write

from torchghm.data.evidence.stated_names import stated_names
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError

NUMBERED = {"0": "ant", "1": "bee", "2": "cow"}


@pytest.mark.parametrize(
    "names",
    [
        list(CLASSES),
        NUMBERED,
        dict(reversed(NUMBERED.items())),
        {"bee": "1", "ant": "0", "cow": "2"},
        "['ant', 'bee', 'cow']",
        "{0: ant, 2: cow, 1: bee}",
        "classes.txt",
        "lists/obj.names",
        "C:\\data\\lists\\obj.names",
        "../classes.txt",
    ],
)
def test_names_however_they_are_stated(tmp_path, names):
    write(tmp_path / "classes.txt", "ant\r\nbee \ncow\n")
    write(tmp_path / "config/lists/obj.names", "0 ant\n1 bee\n2 cow\n")
    assert stated_names(DataFolder(tmp_path), "config/data.yaml", {"names": names, "nc": "3"}) == CLASSES


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nc": "3"}, "no such key .there are nc"),
        ({"names": "ant, bee"}, "under the key 'names', or a file of them, but got 'ant, bee'"),
        ({"names": "gone.txt"}, "'gone.txt' is not there"),
        ({"names": "coco.yaml"}, "or a file of them"),
        ({"names": "[ant, bee"}, "or a file of them"),
        ({"names": "['ant', ['bee']]"}, "expected a list of class names"),
        ({"names": {"1": "ant", "2": "bee"}}, "0, 1, 2, ... as keys under 'names', but got '1, 2'"),
        ({"names": {"ant": "1", "bee": "2"}}, "but got 'ant, bee'"),
        ({"names": {"ant": "0", "bee": "0"}}, "but got 'ant, bee'"),
        ({"names": {"ant": ["0"], "bee": "1"}}, "but got 'ant, bee'"),
        ({"names": ["ant", "ant"]}, "one of them twice"),
        ({"names": ["ant"], "nc": "80"}, "expected 1, the number of 'names', under the key 'nc', but got '80'"),
    ],
)
def test_anything_else_is_refused(tmp_path, settings, words):
    write(tmp_path / "coco.yaml", "names: [ant]\n")
    with pytest.raises(FileError, match=words):
        stated_names(DataFolder(tmp_path), "data.yaml", settings)


def test_a_file_outside_of_the_data_is_not_read(tmp_path):
    write(tmp_path / "names.txt", "ant\n")
    (tmp_path / "data").mkdir()
    with pytest.raises(FileError, match="leads out of the data folder"):
        stated_names(DataFolder(tmp_path / "data"), "data.yaml", {"names": "../names.txt"})
