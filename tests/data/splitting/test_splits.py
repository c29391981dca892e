from __future__ import annotations

import numpy as np
import pytest
from tests.data.layouts import Sample, write_coco

from torchghm.data import load_data
from torchghm.data.records import Records
from torchghm.data.splitting.splits import in_split_order, split_by_seed


def records(tmp_path, names):
    count = len(names)
    return Records(
        tmp_path, names, widths=np.ones(count, np.int64), heights=np.ones(count, np.int64), image_ids=np.arange(count),
        offsets=np.zeros(count + 1, np.int64), boxes=np.zeros((0, 4), np.float32), labels=np.zeros(0, np.int64),
        crowd=np.zeros(0, bool), area=np.zeros(0, np.float32),
    )  # fmt: skip


def test_order():
    assert list(in_split_order({"extra": 1, "test": 2, "train": 3})) == ["train", "test", "extra"]


def test_the_order_of_a_file_does_not_change_the_division(tmp_path):
    names = [f"{number}.png" for number in range(50)]
    divided = split_by_seed(records(tmp_path, names), 0.1, 0.2, seed=3)
    backwards = split_by_seed(records(tmp_path, names[::-1]), 0.1, 0.2, seed=3)
    for split in ("train", "val", "test"):
        assert set(divided[split].names()) == set(backwards[split].names())
        assert divided[split].names() == sorted(divided[split].names(), key=names.index)
    assert [len(divided[split]) for split in ("train", "val", "test")] == [35, 5, 10]


def test_a_fraction_above_zero_gives_at_least_one_image(tmp_path):
    divided = split_by_seed(records(tmp_path, ["a", "b", "c"]), 0.01, 0.01, seed=0)
    assert [len(part) for part in divided.values()] == [1, 1, 1]
    with pytest.raises(ValueError, match="1 for val and 1 for test leave none"):
        split_by_seed(records(tmp_path, ["a", "b"]), 0.01, 0.01, seed=0)


def test_training_images_give_a_missing_val(tmp_path):
    """A data set with train and test only, as many are."""
    everything = tuple(Sample(f"{number}.png", "train", ((1.0, 1.0, 9.0, 9.0),), (0,)) for number in range(20))
    test = tuple(Sample(f"t{number}.png", "test", ((1.0, 1.0, 9.0, 9.0),), (0,)) for number in range(4))
    data = load_data(write_coco(tmp_path / "data", everything + test), val_fraction=0.25)
    assert {name: len(records) for name, records in data.splits.items()} == {"train": 15, "val": 5, "test": 4}
    assert not set(data.select("train").names()) & set(data.select("val").names())
