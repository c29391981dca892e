from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.data.layouts import CLASSES, SAMPLES, voc_xml, write_voc

from torchghm.data import DataError, load_data

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def with_xml(root: Path, xml: str | bytes) -> Path:
    """The good data set, but a.xml holds something else."""
    write_voc(root)
    content = xml if isinstance(xml, bytes) else xml.encode()
    (root / "Annotations" / "a.xml").write_bytes(content)
    return root


def with_object(root: Path, inner: str) -> Path:
    return with_xml(root, voc_xml(SAMPLES[0]).replace("</annotation>", f"<object>{inner}</object></annotation>"))


def test_difficult_objects_are_crowds(tmp_path):
    root = with_object(tmp_path / "data", f"<name>ant</name><difficult>1</difficult>{BOX.format(1, 1, 9, 9)}")
    assert load_data(root).splits["train"][0].crowd.tolist() == [False, False, True]


def test_classes_are_in_alphabetical_order(tmp_path):
    data = load_data(with_object(tmp_path / "data", f"<name> aardvark\n</name>{BOX.format(1, 1, 9, 9)}"))
    assert data.classes == ("aardvark", *CLASSES)
    assert data.splits["train"][0].labels.tolist() == [1, 3, 0]


def test_a_list_that_is_a_pipe_or_links_out_is_named(tmp_path):
    root = write_voc(tmp_path / "data")
    file = root / "ImageSets" / "Main" / "val.txt"
    file.rename(tmp_path / "val.txt")
    file.symlink_to(tmp_path / "val.txt")
    with pytest.raises(DataError, match=r"val\.txt: path-outside"):
        load_data(root)
    file.unlink()
    os.mkfifo(file)
    assert "val" not in load_data(root, val_fraction=0).splits


def test_without_lists_all_images_are_divided(tmp_path):
    data = load_data(write_voc(tmp_path / "data", lists=False))
    assert sorted(name for records in data.splits.values() for name in records.names()) == [
        f"JPEGImages/{sample.name}" for sample in SAMPLES
    ]
    assert list(data.splits) == ["train", "val", "test"]


def test_an_empty_folder_is_refused(tmp_path):
    root = write_voc(tmp_path / "data", ())
    (root / "JPEGImages").mkdir()
    with pytest.raises(DataError, match="no-training-boxes"):
        load_data(root)
