from __future__ import annotations

import json

import pytest
from tests.data.layouts import write_image

from torchghm.data import load_data
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError
from torchghm.data.reading.metadata_lines import metadata_files

LINE = {"file_name": "a.png", "objects": {"bbox": [[1, 2, 10, 5]], "category": [3]}}


def test_a_category_that_is_a_number_is_the_name_of_its_class(tmp_path):
    write_image(tmp_path / "train" / "a.png")
    (tmp_path / "train" / "metadata.jsonl").write_text(json.dumps(LINE) + "\n")
    data = load_data(tmp_path, val_fraction=0, test_fraction=0)
    (record,) = data.splits["train"]
    assert (data.layout, data.classes) == ("imagefolder", ("3",))
    assert (record.boxes.tolist(), record.labels.tolist()) == ([[1, 2, 11, 7]], [0])


def test_two_files_of_one_split_are_refused(tmp_path):
    for place in ("val", "valid"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "metadata.jsonl").write_text(json.dumps(LINE))
    with pytest.raises(FileError, match="of 'val', but got val/metadata.jsonl, valid/metadata.jsonl") as raised:
        metadata_files(DataFolder(tmp_path))
    assert raised.value.what == "duplicate-split"


def test_lines_without_objects_are_another_set(tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a hen"}\n')
    assert metadata_files(DataFolder(tmp_path)) == {}


def test_a_file_in_no_folder_of_a_split_beside_others_is_refused(tmp_path):
    for place in ("train", "images"):
        write_image(tmp_path / place / "a.png")
        (tmp_path / place / "metadata.jsonl").write_text(json.dumps(LINE) + "\n")
    with pytest.raises(FileError, match=r"in a folder of a split, but got images/metadata\.jsonl"):
        metadata_files(DataFolder(tmp_path))
