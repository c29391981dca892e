from __future__ import annotations

import json

import pytest
from tests.data.layouts import SAMPLES, write_coco, write_voc, write_yolo

from torchghm.data import load_data
from torchghm.data.assumptions import BOXES, Assumptions


def test_a_form_alone_leaves_the_unit_to_the_layout():
    assert Assumptions("xyxy").form("xywh", "pixels") == ("xyxy", "pixels")
    assert Assumptions("xywh-fractions").form("cxcywh", "pixels") == ("xywh", "fractions")
    assert Assumptions().form("cxcywh", "fractions") == ("cxcywh", "fractions")


@pytest.mark.parametrize("name", ["boxes", "crowds", "unlabelled"])
def test_what_is_not_known_is_named(name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        Assumptions(**{name: "whatever"})


@pytest.mark.parametrize("form", BOXES)
@pytest.mark.parametrize("write", [write_coco, write_voc, write_yolo])
def test_any_layout_may_hold_any_form(tmp_path, write, form):
    """Four numbers of every form, written where the layout has its own, are the same boxes."""
    root = write(tmp_path / "data", tuple(sample for sample in SAMPLES if sample.split != "test"))
    shape, _, unit = form.partition("-")
    unit = unit or ("fractions" if write is write_yolo else "pixels")

    def numbers(sample, box):
        x1, y1, x2, y2 = box
        values = {
            "xyxy": box, "xywh": (x1, y1, x2 - x1, y2 - y1), "cxcywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
        }[shape]  # fmt: skip
        limits = (sample.width, sample.height) * 2 if unit == "fractions" else (1, 1, 1, 1)
        return [value / limit for value, limit in zip(values, limits, strict=True)]

    for sample in SAMPLES[:4]:
        rows = [numbers(sample, box) for box in sample.boxes]
        if write is write_yolo:
            lines = [" ".join(map(str, (label, *row))) for label, row in zip(sample.labels, rows, strict=True)]
            (root / "labels" / sample.split / f"{sample.stem}.txt").write_text("\n".join(lines))
        elif write is write_voc:
            file = root / "Annotations" / f"{sample.stem}.xml"
            text = file.read_text()
            for box, row in zip(sample.boxes, rows, strict=True):
                for corner, old, new in zip(("xmin", "ymin", "xmax", "ymax"), box, row, strict=True):
                    text = text.replace(f"<{corner}>{old}</{corner}>", f"<{corner}>{new!r} </{corner}>", 1)
            file.write_text(text)
    if write is write_coco:
        for file in (root / "annotations").iterdir():
            content = json.loads(file.read_text())
            names = {image["id"]: image["file_name"] for image in content["images"]}
            samples = {sample.name: sample for sample in SAMPLES}
            for entry in content["annotations"]:
                x, y, width, height = entry["bbox"]
                entry["bbox"] = numbers(samples[names[entry["image_id"]]], (x, y, x + width, y + height))
            file.write_text(json.dumps(content))
    data = load_data(root, boxes=form, val_fraction=0)
    found = {record.path.name: record.boxes.round(3).tolist() for records in data.splits.values() for record in records}
    assert found == {sample.name: [list(map(float, box)) for box in sample.boxes] for sample in SAMPLES[:4]}
