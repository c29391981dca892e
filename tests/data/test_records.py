from __future__ import annotations

import pickle

import numpy as np
import pytest
from tests.data.layouts import SAMPLES, one_split, write_coco, write_voc

from torchghm.data import Records, load_data


@pytest.fixture
def records(tmp_path):
    return load_data(write_voc(tmp_path / "data", one_split()), val_fraction=0, test_fraction=0).splits["train"]


def assert_is_sample(record, sample):
    assert record.path.name == sample.name
    assert (record.width, record.height) == (sample.width, sample.height)
    np.testing.assert_array_equal(record.boxes, np.reshape(sample.boxes, (-1, 4)))
    assert record.labels.tolist() == list(sample.labels)
    assert len(record.crowd) == len(record.area) == len(sample.labels)


def test_a_sequence_of_images(records):
    assert len(records) == len(SAMPLES)
    for record, sample in zip(records, SAMPLES, strict=True):
        assert_is_sample(record, sample)
    assert_is_sample(records[-1], SAMPLES[-1])
    with pytest.raises(IndexError):
        records[5]
    assert repr(records) == "Records(5 images, 6 boxes)"


def test_slices_and_choices(records):
    for chosen, expected in (
        (records[1:4:2], SAMPLES[1:4:2]),
        (records.take([4, 0, 4]), (SAMPLES[4], SAMPLES[0], SAMPLES[4])),
    ):
        assert isinstance(chosen, Records)
        assert len(chosen) == len(expected)
        for record, sample in zip(chosen, expected, strict=True):
            assert_is_sample(record, sample)
    assert len(records.take([])) == 0
    assert records[:0].boxes.shape == (0, 4)


def test_joining_keeps_each_image_once(records):
    joined = Records.join([records[:2], records[1:], records[:0]])
    for record, sample in zip(joined, SAMPLES, strict=True):
        assert_is_sample(record, sample)
    assert joined.image_ids.tolist() == records.image_ids.tolist()


def test_records_cannot_be_changed_by_accident(records):
    with pytest.raises(ValueError, match="read-only"):
        records[0].boxes[0, 0] = 99
    with pytest.raises(ValueError, match="read-only"):
        records[1:].labels[0] = 99


def test_records_go_to_worker_processes(records):
    copy = pickle.loads(pickle.dumps(records))
    for record, sample in zip(copy, SAMPLES, strict=True):
        assert_is_sample(record, sample)


def test_names_that_are_not_unicode_survive(tmp_path):
    root = write_coco(tmp_path / "data", SAMPLES[:3], images=[])
    strange = b"\xff\xfe.png".decode("utf-8", "surrogateescape")
    empty = np.zeros(1, np.int64)
    records = Records(
        root, [strange], widths=empty, heights=empty, image_ids=empty, offsets=np.zeros(2, np.int64),
        boxes=np.zeros((0, 4), np.float32), labels=np.zeros(0, np.int64),
        crowd=np.zeros(0, bool), area=np.zeros(0, np.float32),
    )  # fmt: skip
    (root / strange).write_bytes(b"x")
    assert records[0].path.read_bytes() == b"x"
