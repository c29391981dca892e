from __future__ import annotations

import json

from tests.data.layouts import write_coco, write_voc

from torchghm.data import load_data
from torchghm.data.category_ids import category_ids


def test_without_ids_of_their_own_classes_count_from_1(tmp_path):
    assert category_ids(("bee", "ant"), load_data(write_voc(tmp_path / "data"))) == [1, 2]


def test_a_class_that_the_files_lack_has_a_number_of_its_own(tmp_path):
    root = write_coco(tmp_path / "data")
    for file in (root / "annotations").iterdir():
        content = json.loads(file.read_text())
        for key, entries in (("id", content["categories"]), ("category_id", content["annotations"])):
            for entry in entries:
                entry[key] *= 10
        file.write_text(json.dumps(content))
    assert category_ids(("cow", "dog", "ant", "cat"), load_data(root)) == [30, 31, 10, 32]
