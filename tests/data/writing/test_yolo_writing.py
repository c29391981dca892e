from __future__ import annotations

import pytest
import yaml
from tests.data.layouts import CLASSES, SAMPLES, coco_instances, write_coco, yolo_labels

from torchghm.data import load_data
from torchghm.data.writing.yolo_writing import write_yolo


def test_labels_are_fractions_and_images_without_objects_have_empty_files(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    (tmp_path / "yolo").mkdir()
    write_yolo(tmp_path / "yolo", data.splits, CLASSES)
    settings = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())
    assert settings == {
        "train": "images/train", "val": "images/val", "test": "images/test", "nc": 3, "names": list(CLASSES),
    }  # fmt: skip
    for sample in SAMPLES:
        written = (tmp_path / "yolo" / "labels" / sample.split / f"{sample.stem}.txt").read_text()
        expected = [[float(word) for word in line.split()] for line in yolo_labels(sample).splitlines()]
        assert [[float(word) for word in line.split()] for line in written.splitlines()] == [
            pytest.approx(line, rel=1e-8) for line in expected
        ]
        assert (tmp_path / "yolo" / "images" / sample.split / sample.name).is_file()


def test_what_yolo_has_no_way_to_write_is_refused(tmp_path):
    annotations = coco_instances(SAMPLES[:3])["annotations"]
    annotations[0]["iscrowd"] = 1
    data = load_data(write_coco(tmp_path / "data", annotations=annotations))
    with pytest.raises(ValueError, match="no crowds and difficult objects.*got 1"):
        write_yolo(tmp_path / "yolo", data.splits, CLASSES)
    with pytest.raises(ValueError, match="splits that YOLO has keys for.*'extra'"):
        write_yolo(tmp_path / "yolo", {"extra": data.splits["val"]}, CLASSES)
    assert not (tmp_path / "yolo").exists()
