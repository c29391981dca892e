from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.layouts import write_image

from torchghm.data import load_data
from torchghm.data.assumptions import Assumptions
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem
from torchghm.data.reading.csv_tables import KERAS, TENSORFLOW, csv_tables, read_csv

HEADER = "filename,class,xmin,ymin,xmax,ymax\n"


def tables(root: Path, **files: str) -> DataFolder:
    for name in ("a.png", "b.png"):
        write_image(root / "images" / name)
    for name, text in files.items():
        (root / f"{name}.csv").write_text(text, encoding="utf-8")
    return DataFolder(root)


@pytest.mark.parametrize(
    ("text", "columns", "delimiter", "has_header"),
    [
        (HEADER, {"image": 0, "class": 1, "xmin": 2, "ymin": 3, "xmax": 4, "ymax": 5}, ",", True),
        (
            'left;top;"right";bottom;LABEL;path\n',
            {"image": 5, "class": 4, "xmin": 0, "ymin": 1, "xmax": 2, "ymax": 3},
            ";",
            True,
        ),
        ("images/a.png,1,2,3,4,ant\n", KERAS, ",", False),
        ("a.png\t40\t30\tant\t1\t2\t3\t4\n", TENSORFLOW, "\t", False),
    ],
)
def test_columns_are_known_by_their_names_or_their_number(tmp_path, text, columns, delimiter, has_header):
    table = csv_tables(tables(tmp_path, train=text))["train"]
    assert (table.columns, table.delimiter, table.has_header) == (columns, delimiter, has_header)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "images/a.png,1,2,3,ant,4\n", "a.png,1_0,2,3,4,ant\n"])
def test_other_tables_are_none_of_boxes(tmp_path, text):
    assert csv_tables(tables(tmp_path, train=text)) == {}


def test_two_tables_of_one_split_are_refused(tmp_path):
    with pytest.raises(FileError, match="one table of 'val', but got val.csv, valid.csv") as raised:
        csv_tables(tables(tmp_path, val=HEADER, valid=HEADER))
    assert raised.value.what == "duplicate-split"


def test_boxes_that_lack_a_number_and_images_without_objects(tmp_path):
    text = f"{HEADER}a.png,bee,1,2,11,12\na.png,ant,5,5,x,25\nb.png,,,,,\n"
    problems: list[Problem] = []
    classes, splits = read_csv(tables(tmp_path, train=text), Assumptions(), problems)
    assert classes == ("ant", "bee")
    record, empty = splits["train"]
    assert record.boxes[~record.crowd].tolist() == [[1, 2, 11, 12]]
    assert record.labels[~record.crowd].tolist() == [1]
    assert len(empty.boxes) == 0
    assert [(problem.what, problem.count) for problem in problems] == [("box-incomplete", 1)]
    assert "line 3 'a.png,ant,5,5,x,25'" in problems[0].detail
    assert load_data(tmp_path, val_fraction=0, test_fraction=0).layout == "csv"


def test_a_table_of_no_split_beside_those_of_splits_is_refused(tmp_path):
    with pytest.raises(FileError, match="all tables to be called after splits, but got boxes.csv"):
        csv_tables(tables(tmp_path, train=HEADER, val=HEADER, boxes=HEADER))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(tmp_path, encoding):
    folder = tables(tmp_path)
    (tmp_path / "train.csv").write_text(f"{HEADER}a.png,b\u00e9e,1,2,11,12\n", encoding=encoding)
    classes, splits = read_csv(folder, Assumptions(), [])
    assert classes == ("b\u00e9e",)
    assert splits["train"].boxes.tolist() == [[1, 2, 11, 12]]


@pytest.mark.parametrize("column", ["iscrowd", "is_crowd", "difficult", "IsGroupOf"])
@pytest.mark.parametrize("yes", ["1", "1.0", "True"])
def test_crowds_and_difficult_objects(tmp_path, column, yes):
    text = f"{HEADER.strip()},{column}\na.png,ant,1,2,11,12,{yes}\na.png,ant,3,2,13,12,0\n"
    _, splits = read_csv(tables(tmp_path, train=text), Assumptions(), [])
    assert splits["train"].crowd.tolist() == [True, False]


@pytest.mark.parametrize(
    ("column", "values"),
    [("is_valid", "0 1"), ("is_val", "False True"), ("Phase", "training validation"), ("usage", "TRAIN dev")],
)
def test_columns_that_state_the_split(tmp_path, column, values):
    first, second = values.split()
    text = f"{HEADER.strip()},{column}\na.png,ant,1,2,11,12,{first}\nb.png,ant,3,2,13,12,{second}\n"
    tables(tmp_path, boxes=text)
    data = load_data(tmp_path)
    assert {name: records.names() for name, records in data.splits.items()} == {
        "train": ["images/a.png"],
        "val": ["images/b.png"],
    }
