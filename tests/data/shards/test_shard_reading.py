from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from tests.data.layouts import SAMPLES, Sample, coco_instances, write_coco, write_exported_coco, write_voc, write_yolo
from tests.data.shards.same_data import assert_same, sharded
from torch.utils.data import DataLoader

from torchghm.data import (
    DetectionDataset,
    collate,
    load_data,
)


@pytest.mark.parametrize("write", [write_coco, write_exported_coco, write_voc, write_yolo])
def test_shards_are_the_same_data_as_the_folder(tmp_path, write):
    root = write(tmp_path / "data")
    data = load_data(sharded(root, tmp_path / "shards"))
    assert data.layout == "shards"
    assert data.problems == ()
    assert_same(data, load_data(root))
    assert data.select("train,test")[3].source.read() == load_data(root).select("train,test")[3].path.read_bytes()


def test_ids_crowds_and_areas_are_the_same(tmp_path):
    annotations = coco_instances(SAMPLES[:3])["annotations"]
    annotations[0] |= {"iscrowd": 1, "area": 12.3}
    annotations[1]["bbox"] = [1 / 3, 0.1, 20 / 7, 0.0101]  # numbers that no decimal writes, and a very thin box
    images = [entry | {"id": entry["id"] - 40} for entry in coco_instances(SAMPLES[:3])["images"]]
    annotations = [entry | {"image_id": entry["image_id"] - 40} for entry in annotations]
    root = write_coco(tmp_path / "data", annotations=annotations, images=images)
    assert_same(load_data(sharded(root, tmp_path / "shards")), load_data(root))


@pytest.mark.parametrize("fractions", [{}, {"val_fraction": 0.3, "test_fraction": 0.2, "split_seed": 7}])
def test_splits_that_are_taken_by_seed_are_the_same(tmp_path, fractions):
    many = tuple(Sample(f"{(7 * n) % 20}.png", "train", ((1, 1, 9, 9 + n),), (n % 3,)) for n in range(20))
    for name, root in {
        "voc": write_voc(tmp_path / "voc", many, lists=False),
        "coco": write_coco(tmp_path / "coco", (*many, *SAMPLES[4:])),
    }.items():
        assert_same(load_data(sharded(root, tmp_path / f"{name} shards"), **fractions), load_data(root, **fractions))


def test_what_is_held_in_memory_is_a_few_numbers_an_image(tmp_path):
    out = sharded(write_coco(tmp_path / "data"), tmp_path / "shards")
    line = (out / "train.jsonl").read_text().splitlines()[0]
    count = 2000
    (out / "train.jsonl").write_text(f"{line}\n" * count)
    records = load_data(out).splits["train"]
    held = sum(array.nbytes for array in vars(records).values() if isinstance(array, np.ndarray))
    held += records.members.places.nbytes + len(records._names)
    boxes, name = len(json.loads(line)["boxes"]), len(json.loads(line)["name"])
    assert held <= count * (72 + name + 29 * boxes) + 16


def test_records_travel_to_worker_processes(tmp_path):
    records = load_data(sharded(write_coco(tmp_path / "data"), tmp_path / "shards")).splits["train"]
    assert pickle.loads(pickle.dumps(records[1:]))[0].source == records[1].source
    loader = DataLoader(DetectionDataset(records, ()), batch_size=2, num_workers=2, collate_fn=collate)
    assert [[target["image_id"] for target in targets] for _, targets in loader] == [[1, 2], [3]]
