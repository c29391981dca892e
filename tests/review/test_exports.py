"""The forms of other tools, read back as they document them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest
from tests.data.layouts import write_coco

from torchghm.data import load_data
from torchghm.review.exports import EXPORTS
from torchghm.review.findings import Finding

CLASSES = ("ant", 'b<&"e', "cow")
FINDINGS = [
    Finding("misplaced", 0.9, 0, 0, 1, (1.0, 2.0, 11.0, 12.0), 1, (3.0, 3.0, 23.0, 18.0)),
    Finding("missing", 0.4, 0, -1, -1, None, 2, (4.0, 6.0, 8.0, 9.0)),
    Finding("spurious", 0.3, 1, 2, 1, (0.0, 0.0, 40.0, 30.0), -1, None),
]


@pytest.fixture
def records(tmp_path):
    return load_data(write_coco(tmp_path / "data")).splits["train"]


@pytest.fixture
def written(tmp_path, records):
    for name, write in EXPORTS.items():
        write(tmp_path / name, FINDINGS, records, CLASSES)
    return tmp_path


def test_fiftyone(written, records):
    content = json.loads((written / "fiftyone.json").read_text())
    assert content["classes"] == list(CLASSES)
    first, second = content["labels"][records.name(0).removesuffix(".png")]
    assert first["bounding_box"] == pytest.approx([1 / 40, 2 / 30, 10 / 40, 10 / 30], abs=1e-5)
    assert (first["label"], first["confidence"]) == (CLASSES[1], 0.9)
    assert first["attributes"]["suggested_box"] == pytest.approx([3 / 40, 3 / 30, 20 / 40, 15 / 30], abs=1e-5)
    assert (second["label"], second["attributes"]["kind"]) == ("cow", "missing")


def test_label_studio(written, records):
    first, second = json.loads((written / "label_studio.json").read_text())
    assert first["data"]["image"].endswith(f"?d={records.name(0)}")
    box, kind = first["predictions"][0]["result"][:2]
    assert box["id"] == kind["id"]
    assert box["value"]["rectanglelabels"] == [CLASSES[1]]
    assert [box["value"][side] for side in ("x", "y", "width", "height")] == pytest.approx([7.5, 10, 50, 50], abs=1e-3)
    assert (box["original_width"], box["original_height"]) == (40, 30)
    assert kind["value"]["choices"] == ["misplaced"]
    assert second["predictions"][0]["score"] == 0.3


def test_cvat(written, records):
    root = ElementTree.parse(written / "cvat.xml").getroot()
    labels = root.findall("meta/task/labels/label")
    assert [label.findtext("name") for label in labels] == list(CLASSES)
    first, second = root.findall("image")
    assert (first.get("name"), first.get("width"), first.get("height")) == (records.name(0), "40", "30")
    box = first.findall("box")[0]
    assert [float(box.get(side)) for side in ("xtl", "ytl", "xbr", "ybr")] == [1, 2, 11, 12]
    assert box.get("label") == CLASSES[1]
    texts = {attribute.get("name"): attribute.text for attribute in box.findall("attribute")}
    assert (texts["kind"], texts["suggested_class"]) == ("misplaced", CLASSES[1])
    described = {
        about.findtext("name"): about.findtext("input_type") for about in labels[1].findall("attributes/attribute")
    }
    assert described == dict.fromkeys(texts, "text")
    assert len(second.findall("box")) == 1
