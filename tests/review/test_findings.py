"""Findings as a table and as COCO's instances."""

from __future__ import annotations

import csv
import json

import pytest
from pycocotools.coco import COCO
from tests.data.layouts import CLASSES, write_coco

from torchghm.data import load_data
from torchghm.review.findings import Finding, worst_first, write_coco_findings, write_csv

FINDINGS = [
    Finding("missing", 0.4, 1, -1, -1, None, 2, (1.0, 2.0, 9.0, 12.0)),
    Finding("wrong class", 0.9, 0, 1, 2, (5.0, 5.0, 30.0, 25.0), 0, (5.0, 5.0, 30.0, 25.0), (0.5, float("nan"))),
    Finding("spurious", 0.9, 0, 0, 0, (1.0, 2.0, 11.0, 12.0), -1, None),
]


@pytest.fixture
def records(tmp_path):
    return load_data(write_coco(tmp_path / "data")).splits["train"]


def test_worst_first():
    assert [found.name for found in worst_first(FINDINGS)] == ["spurious-0", "wrong-class-1", "missing-1-1-2-9-12"]


def test_table(tmp_path, records):
    write_csv(tmp_path / "f.csv", FINDINGS, records, ("=1+1", "bee", "cow"))
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["suggested_class"] == "cow"
    assert (rows[0]["class"], rows[0]["annotation"], rows[0]["x1"]) == ("", "", "")
    assert rows[1]["suggested_class"] == "'=1+1"  # which a spreadsheet would compute
    assert [float(rows[2][side]) for side in ("x1", "y1", "x2", "y2")] == [1, 2, 11, 12]
    assert rows[2]["image"] == records.name(0)


def test_coco_reads_them(tmp_path, records):
    write_coco_findings(tmp_path / "f.json", FINDINGS, records, CLASSES)
    found = COCO(str(tmp_path / "f.json"))
    assert [(entry["kind"], entry["bbox"], entry["score"]) for entry in found.loadAnns([1, 2, 3])] == [
        ("missing", [1.0, 2.0, 8.0, 10.0], 0.4),
        ("wrong class", [5.0, 5.0, 25.0, 20.0], 0.9),
        ("spurious", [1.0, 2.0, 10.0, 10.0], 0.9),
    ]
    assert {image["file_name"] for image in found.loadImgs(found.getImgIds())} == {records.name(0), records.name(1)}
    assert json.loads((tmp_path / "f.json").read_text())["annotations"][2]["suggested_bbox"] is None
