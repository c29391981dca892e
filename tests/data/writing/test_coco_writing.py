from __future__ import annotations

import json

import numpy as np
import pytest
from tests.data.layouts import SAMPLES, write_coco, write_image

from torchghm.data import load_data
from torchghm.data.writing.coco_writing import coco_instances, place_image, write_coco_split


def test_instances_say_what_the_records_say(tmp_path):
    root = write_coco(tmp_path / "data")
    data = load_data(root)
    stored = json.loads((root / "annotations" / "instances_train2017.json").read_text())
    made = coco_instances(data.splits["train"], data.classes, first_annotation=1)
    assert made["images"] == stored["images"]
    assert made["categories"] == stored["categories"]
    for ours, theirs in zip(made["annotations"], stored["annotations"], strict=True):
        assert ours == theirs | {"iscrowd": 0, "area": theirs["bbox"][2] * theirs["bbox"][3]}


def test_boxes_come_back_to_the_bit(tmp_path):
    boxes = [[float(np.float32(x)) for x in (0.1, 0.7, 11.3 + i / 7, 12.9)] for i in range(20)]
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for i, (x1, y1, x2, y2) in enumerate(boxes)
    ]
    clean = load_data(write_coco(tmp_path / "data", SAMPLES, annotations=annotations))
    for split, records in clean.splits.items():
        write_coco_split(tmp_path / "copy", split, records, coco_instances(records, clean.classes))
    copy = load_data(tmp_path / "copy")
    for split, records in clean.splits.items():
        np.testing.assert_array_equal(copy.splits[split].boxes, records.boxes)
        np.testing.assert_array_equal(copy.splits[split].area, records.area)


def test_images_of_the_same_name_stay_apart(tmp_path):
    for folder in ("x", "y"):
        write_image(tmp_path / "data" / "train" / folder / "a.png", width=40 if folder == "x" else 30)
    images = [{"id": number, "file_name": f"{folder}/a.png"} for number, folder in enumerate("xy", start=1)]
    annotations = [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 5, 5]} for number in (1, 2)]
    (tmp_path / "data" / "annotations").mkdir()
    (tmp_path / "data" / "annotations" / "instances_train.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "ant"}]})
    )
    data = load_data(tmp_path / "data", val_fraction=0, test_fraction=0)
    records = data.splits["train"]
    write_coco_split(tmp_path / "copy", "train", records, coco_instances(records, data.classes))
    assert load_data(tmp_path / "copy", val_fraction=0, test_fraction=0).splits["train"].widths.tolist() == [40, 30]


def test_an_image_is_linked_and_a_link_is_followed(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    record = data.splits["train"][0]
    place_image(record, tmp_path / "one" / "a.png")
    assert (tmp_path / "one" / "a.png").samefile(record.path)
    record.path.rename(record.path.with_name("moved.png"))
    record.path.symlink_to("moved.png")
    place_image(record, tmp_path / "two" / "a.png")
    assert not (tmp_path / "two" / "a.png").is_symlink()
    assert (tmp_path / "two" / "a.png").read_bytes() == record.path.read_bytes()


@pytest.mark.parametrize("split", ["", "..", "a/b", "a b", "\0"])
def test_a_split_that_no_file_can_be_called_after_is_refused(tmp_path, split):
    data = load_data(write_coco(tmp_path / "data"))
    with pytest.raises(ValueError, match="Expected splits of letters"):
        write_coco_split(tmp_path, split, data.splits["train"], {})
