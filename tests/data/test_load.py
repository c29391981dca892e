from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.layouts import (
    CLASSES,
    SAMPLES,
    Sample,
    one_split,
    write_coco,
    write_exported_coco,
    write_voc,
    write_yolo,
)

from torchghm.data import DataError, DetectionData, load_data

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


def assert_same(data: DetectionData, samples: tuple[Sample, ...]) -> None:
    for split in dict.fromkeys(sample.split for sample in samples):
        expected = [sample for sample in samples if sample.split == split]
        records = {record.path.name: record for record in data.splits[split]}
        assert set(records) == {sample.name for sample in expected}
        for sample in expected:
            record = records[sample.name]
            assert (record.width, record.height) == (sample.width, sample.height)
            assert record.path.is_file()
            assert record.boxes.dtype == np.float32
            assert record.labels.dtype == np.int64
            np.testing.assert_allclose(record.boxes, np.reshape(sample.boxes, (-1, 4)), atol=1e-4)
            assert [data.classes[label] for label in record.labels] == [CLASSES[label] for label in sample.labels]
            assert not record.crowd.any()


@pytest.mark.parametrize("write", [write_coco, write_exported_coco, write_voc, write_yolo])
def test_every_layout_is_recognised_and_gives_the_same_records(tmp_path, write):
    data = load_data(write(tmp_path / "data"))
    assert data.layout == {"coco": "coco", "exported_coco": "coco", "voc": "voc", "yolo": "yolo"}[write.__name__[6:]]
    assert data.classes == CLASSES
    assert list(data.splits) == ["train", "val", "test"]
    assert data.problems == ()
    assert_same(data, SAMPLES)


@st.composite
def samples(draw: st.DrawFn) -> tuple[Sample, ...]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        width, height = draw(st.integers(8, 60)), draw(st.integers(8, 60))
        boxes = []
        for _ in range(draw(st.integers(0, 4)) if number else 3):  # the first image has something to learn from
            x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
            boxes.append((x1, y1, draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))))
        # VOC knows only the classes that occur.
        labels = (0, 1, 2) if not number else tuple(draw(st.integers(0, 2)) for _ in boxes)
        made.append(Sample(f"{number}.png", "train", tuple(boxes), labels, width, height))
    return (*made, Sample("v.png", "val"))


@settings(max_examples=15, deadline=None)
@given(samples())
def test_any_boxes_survive_every_layout(made):
    with tempfile.TemporaryDirectory() as folder:
        for layout, write in WRITERS.items():
            assert_same(load_data(write(Path(folder, layout), made)), made)


@pytest.mark.parametrize("layout", WRITERS)
def test_the_parent_of_the_data_folder_is_accepted(tmp_path, layout):
    root = WRITERS[layout](tmp_path / "download" / "inner")
    (tmp_path / "download" / "LICENSE").write_text("free")
    data = load_data(tmp_path / "download")
    assert data.root == root
    assert_same(data, SAMPLES)


def test_a_folder_of_no_known_layout_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        DataError, match=r"(?s)annotations/instances_\*\.json.*Annotations/ and JPEGImages/.*data\.yaml"
    ):
        load_data(tmp_path)
    with pytest.raises(DataError, match=r"data\.yaml") as raised:
        load_data(write_voc(tmp_path / "voc"), layout="yolo")
    assert "instances" not in str(raised.value)


def test_several_data_sets_in_a_folder_are_not_guessed_at(tmp_path):
    write_voc(tmp_path / "one")
    write_coco(tmp_path / "two")
    with pytest.raises(DataError, match=r"voc in .*one.*coco in .*two"):
        load_data(tmp_path)
    assert load_data(tmp_path, layout="coco").root == tmp_path / "two"


def test_a_missing_folder_and_a_file_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_data(tmp_path / "nowhere")
    (tmp_path / "data.yaml").write_text("names: [a]")
    with pytest.raises(DataError, match=r"data\.yaml.*expected a folder"):
        load_data(tmp_path / "data.yaml")


@pytest.mark.parametrize(
    ("argument", "value"),
    [("layout", "tfrecord"), ("val_fraction", 1.0), ("test_fraction", -0.1), ("val_fraction", np.nan)],
)
def test_arguments_out_of_range_are_named(tmp_path, argument, value):
    with pytest.raises(ValueError, match=argument):
        load_data(tmp_path, **{argument: value})


@pytest.mark.parametrize("layout", WRITERS)
def test_a_single_split_is_divided_by_the_seed(tmp_path, layout):
    many = tuple(Sample(f"{number:02}.png", "train", ((1, 1, 9, 9),), (number % 3,)) for number in range(20))
    root = WRITERS[layout](tmp_path / "data", many)
    data = load_data(root, val_fraction=0.2, test_fraction=0.3)
    names = {split: records.names() for split, records in data.splits.items()}
    assert {split: len(of_split) for split, of_split in names.items()} == {"train": 10, "val": 4, "test": 6}
    assert len({name for of_split in names.values() for name in of_split}) == 20
    assert {
        split: r.names() for split, r in load_data(root, val_fraction=0.2, test_fraction=0.3).splits.items()
    } == names
    other = load_data(root, val_fraction=0.2, test_fraction=0.3, split_seed=1)
    assert other.splits["val"].names() != names["val"]
    assert list(load_data(root, val_fraction=0, test_fraction=0.1).splits) == ["train", "test"]


def test_too_few_images_to_divide_are_refused(tmp_path):
    root = write_coco(tmp_path / "data", one_split(SAMPLES[:2]))
    with pytest.raises(DataError, match="1 for val and 1 for test leave none"):
        load_data(root)


def test_a_lone_test_split_stays_whole(tmp_path):
    root = write_coco(tmp_path / "data", SAMPLES[4:])
    assert list(load_data(root).splits) == ["test"]


def test_splits_are_joined_without_repeats(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\nc\nd\n")
    (root / "ImageSets" / "Main" / "ant_train.txt").write_text("a  1\nb -1\n")
    data = load_data(root)
    assert list(data.splits) == ["train", "val", "test", "trainval"]
    joined = data.select("val, test")
    assert [record.path.name for record in joined] == ["d.png", "e.png"]
    assert len(data.select("train,trainval,train")) == 4
    assert data.problems == ()  # trainval shares images by its nature


def test_joined_splits_have_different_image_ids(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))  # every file counts its images from 1
    joined = data.select("train,val,test")
    assert len(set(joined.image_ids.tolist())) == len(joined) == 5
    boxes = [record.boxes.tolist() for split in ("train", "val", "test") for record in data.splits[split]]
    assert [record.boxes.tolist() for record in joined] == boxes


def test_unknown_and_empty_splits_are_named(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "test.txt").write_text("\n")
    data = load_data(root)
    with pytest.raises(ValueError, match=r"'train', 'val', 'test'.*got 'holdout'"):
        data.select("val,holdout")
    with pytest.raises(ValueError, match="'test' .* has no images"):
        data.select("test")
    with pytest.raises(ValueError, match="got ' , '"):
        data.select(" , ")


@pytest.mark.parametrize("layout", WRITERS)
def test_no_boxes_are_legal_in_an_image_but_not_in_the_training_split(tmp_path, layout):
    bare = (Sample("a.png", "train"), Sample("b.png", "train"), *SAMPLES[3:])
    root = WRITERS[layout](tmp_path / "data", bare)
    with pytest.raises(DataError, match=r"no-training-boxes: none of the 2 images"):
        load_data(root)
    shutil.rmtree(root)
    data = load_data(WRITERS[layout](root, (*SAMPLES[:2], Sample("v.png", "val"))))
    assert [problem.what for problem in data.problems] == ["no-boxes"]


def test_images_in_two_splits_are_reported(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "val.txt").write_text("d\na\n")
    data = load_data(root)
    assert [(problem.what, problem.count) for problem in data.problems] == [("shared-image", 1)]
    assert "a.png" in data.problems[0].detail
    with pytest.raises(DataError, match="shared-image"):
        load_data(root, strict=True)


def test_many_problems_are_cut_short_in_the_error(tmp_path):
    root = write_voc(tmp_path / "data")
    for file in (root / "Annotations").iterdir():
        file.write_text("<annotation>")
    (root / "ImageSets" / "Main" / "train.txt").write_text("a\nb\nc\nx\ny\n")
    with pytest.raises(DataError, match=r"and \d more") as raised:
        load_data(root)
    assert len(raised.value.problems) >= 7
    assert str(raised.value).count("\n") == 6
