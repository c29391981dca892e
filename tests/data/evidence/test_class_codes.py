from __future__ import annotations

from pathlib import Path

import pytest

from torchghm.data.evidence.class_codes import names_of
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import Problem


def named(root: Path, found: list[str], **files: str) -> tuple[dict[str, str], list[str]]:
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    names = names_of(DataFolder(root), found, problems)
    return names, [problem.what for problem in problems]


def test_names_of_numbers(tmp_path):
    names, kinds = named(tmp_path, ["0", "2.0"], classes__csv="ant,0\nbee,1\ncat,2\n")
    assert names == {"0": "ant", "2.0": "cat"}
    assert kinds == ["class-names-beside"]


def test_numbers_without_a_list_are_one_class_however_they_are_written(tmp_path):
    assert named(tmp_path, ["1", "1.0", "2"]) == ({"1": "1", "1.0": "1", "2": "2"}, [])


@pytest.mark.parametrize("found", [["1", "ant"], ["0", "7"], ["1.5", "1.0"]])
def test_classes_that_a_list_does_not_have_keep_their_names(tmp_path, found):
    assert named(tmp_path, found, classes__txt="ant\nbee\ncat\n") == ({name: name for name in found}, [])


@pytest.mark.parametrize(
    "files",
    [
        {"classes__txt": "ant\nbee\ncat\n"},  # from 0 or from 1
        {"classes__csv": "1,ant\n2,ant\n"},
        {
            "classes__csv": "1,ant\n2,bee\n",
            "label_map__pbtxt": "item {\n id: 1\n name: 'bee'\n}\nitem{id: 2 name: 'ant'}",
        },
    ],
)
def test_lists_that_leave_open_which_is_which_are_named(tmp_path, files):
    assert named(tmp_path, ["1", "2"], **files) == ({"1": "1", "2": "2"}, ["class-names-unclear"])


def test_a_list_that_a_tool_proposes_classes_from_says_nothing(tmp_path):
    assert named(tmp_path, ["0"], predefined_classes__txt="dog\n") == ({"0": "0"}, [])
