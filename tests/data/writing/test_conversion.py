from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.layouts import SAMPLES, Sample, one_split, write_coco, write_image, write_voc, write_yolo

from torchghm.data import DetectionData, Records, load_data, split_data, write_data, write_shards

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


def plain(root: Path) -> DetectionData:
    return load_data(root, val_fraction=0, test_fraction=0)


def described(data: DetectionData) -> dict:
    """Everything but ids, by split and file name: size, and each object's class, crowd and box."""
    return {
        split: {
            record.path.name: (
                (record.width, record.height),
                [
                    (data.classes[label], bool(crowd), box.tolist())
                    for label, crowd, box in zip(record.labels, record.crowd, record.boxes, strict=True)
                ],
            )
            for record in records
        }
        for split, records in data.splits.items()
    }


def assert_same(ours: DetectionData, theirs: DetectionData) -> None:
    ours, theirs = described(ours), described(theirs)
    assert list(ours) == list(theirs)
    for split in ours:
        assert list(ours[split]) == list(theirs[split])
        for name, (size, objects) in ours[split].items():
            other_size, others = theirs[split][name]
            assert size == other_size
            assert [item[:2] for item in objects] == [item[:2] for item in others]
            boxes = [np.reshape([item[2] for item in items], (-1, 4)) for items in (objects, others)]
            np.testing.assert_allclose(*boxes, atol=1e-3)


@st.composite
def data_sets(draw: st.DrawFn, root: Path, crowds: bool) -> DetectionData:
    """A set of random boxes, classes, crowds, ids and names, with files of these names."""
    classes = draw(st.lists(st.text("abc xyzäß_-.1", min_size=1, max_size=6).map(str.strip).filter(bool),
                            min_size=1, max_size=4, unique_by=str.casefold))  # fmt: skip
    splits = {}
    ids = draw(st.lists(st.integers(-5, 10**9), min_size=9, max_size=9, unique=True))
    for split in draw(st.sampled_from([("train",), ("train", "val"), ("train", "val", "test")])):
        count = draw(st.integers(1, 3))
        names = [f"{draw(st.sampled_from(['', 'x/', 'y/z/']))}{split}{number} 1.png" for number in range(count)]
        sizes = [(draw(st.integers(8, 60)), draw(st.integers(8, 60))) for _ in names]
        boxes, labels, crowd, offsets = [], [], [], [0]
        for name, (width, height) in zip(names, sizes, strict=True):
            write_image(root / name, width, height)
            for number in range(draw(st.integers(int(split != "test"), 3))):
                fractions = [draw(st.floats(0.01, 1)) for _ in range(4)]
                sides = np.array([width, height])
                low = (sides - 2.5) * fractions[:2]  # nothing below two pixels, which could be fractions
                high = low + np.maximum((sides - low) * fractions[2:], 2.25)
                if np.isclose([*low, *high], np.reshape(boxes[offsets[-1] :], (-1, 4)), atol=0.01).all(axis=1).any():
                    continue  # an object twice would be one
                boxes.append([*low, *high])
                labels.append(draw(st.integers(0, len(classes) - 1)))
                crowd.append(crowds and number > 0 and draw(st.booleans()))
            offsets.append(len(boxes))
        array = np.reshape(boxes, (-1, 4)).astype(np.float32)
        splits[split] = Records(
            root,
            names,
            widths=np.array([size[0] for size in sizes]),
            heights=np.array([size[1] for size in sizes]),
            image_ids=np.array([ids.pop() for _ in names]),
            offsets=np.array(offsets),
            boxes=array,
            labels=np.array(labels, np.int64),
            crowd=np.array(crowd, bool),
            area=(array[:, 2:] - array[:, :2]).prod(axis=1),
        )
    return DetectionData(root, "coco", tuple(classes), splits, ())


@pytest.mark.parametrize("through", ["coco", "voc", "yolo"])
def test_there_and_back_again_is_the_same_set(through):
    @settings(max_examples=15, deadline=None)
    @given(st.data())
    def run(draw: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            data = draw.draw(data_sets(place / "data", crowds=through != "yolo"))
            assert_same(plain(write_data(data, place / "there", to=through)), data)
            back = plain(write_data(plain(place / "there"), place / "back", to="coco"))
            assert_same(back, data)
            assert back.classes == data.classes
            for split, records in data.splits.items():
                np.testing.assert_array_equal(back.splits[split].image_ids, records.image_ids)
                if through == "coco":
                    np.testing.assert_array_equal(back.splits[split].boxes, records.boxes)

    run()


@pytest.mark.parametrize("to", WRITERS)
@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_becomes_every_other(tmp_path, layout, to):
    data = plain(WRITERS[layout](tmp_path / "data"))
    copy = plain(write_data(data, tmp_path / "copy", to=to))
    assert copy.layout == to
    assert_same(copy, data)
    assert copy.problems == ()
    for split, records in data.splits.items():
        for record, again in zip(records, copy.splits[split], strict=True):
            assert again.path.read_bytes() == record.path.read_bytes()


def test_images_of_one_name_in_two_folders(tmp_path):
    images = [{"id": n, "file_name": f"{place}/a.png", "width": 40, "height": 30} for n, place in enumerate("xy", 1)]
    annotations = [{"id": n, "image_id": n, "category_id": n, "bbox": [n, n, 9, 9]} for n in (1, 2)]
    root = write_coco(tmp_path / "data", images=images, annotations=annotations)
    for place in "xy":
        write_image(root / "train2017" / place / "a.png")
    for to in WRITERS:
        copy = plain(write_data(plain(root), tmp_path / to, to=to))
        assert [record.boxes[0, 0] for record in copy.splits["train"]] == [1, 2]


def test_shards_become_folders(tmp_path):
    data = plain(write_coco(tmp_path / "data"))
    shards = plain(write_shards(data, tmp_path / "shards"))
    for to in WRITERS:
        assert_same(plain(write_data(shards, tmp_path / to, to=to)), data)


def test_a_set_without_splits_has_a_training_split_afterwards(tmp_path):
    data = plain(write_voc(tmp_path / "data", one_split(), lists=False))
    for to in WRITERS:
        assert list(plain(write_data(data, tmp_path / to, to=to)).splits) == ["train"]
    undivided = replace(data, splits={"all": data.splits["train"]})
    for to in WRITERS:
        copy = load_data(write_data(undivided, tmp_path / f"{to}-all", to=to), val_fraction=0.2, test_fraction=0.2)
        assert [len(records) for records in copy.splits.values()] == [3, 1, 1]


def test_what_a_layout_cannot_hold_is_refused(tmp_path):
    data = plain(write_coco(tmp_path / "data"))
    crowded = data.splits["train"]
    crowded.crowd = np.ones(len(crowded.crowd), bool)
    with pytest.raises(ValueError, match="would become background in YOLO's layout, but got 3"):
        write_data(data, tmp_path / "yolo", to="yolo")
    unusual = replace(data, splits={"holdout": data.splits["val"]})
    for to in ("voc", "yolo"):
        with pytest.raises(ValueError, match="Expected splits .*got 'holdout'"):
            write_data(unusual, tmp_path / "out", to=to)
    assert list(plain(write_data(unusual, tmp_path / "out", to="coco")).splits) == ["holdout"]
    with pytest.raises(ValueError, match="class names that XML can hold"):
        write_data(replace(data, classes=("a\0", " b", "c")), tmp_path / "voc", to="voc")
    with pytest.raises(ValueError, match="`to`"):
        write_data(data, tmp_path / "voc", to="tfrecord")
    with pytest.raises(ValueError, match="outside of the data"):
        write_data(data, tmp_path / "data" / "copy", to="voc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_new_splits_of_all_images(tmp_path):
    many = tuple(Sample(f"{n:02}.png", "train", ((1, 1, 9, 9),), (n % 3,)) for n in range(20)) + SAMPLES[3:]
    data = plain(write_voc(tmp_path / "data", many))
    divided = split_data(data, val_fraction=0.25, test_fraction=0.5, seed=1)
    names = {split: records.names() for split, records in divided.splits.items()}
    assert {split: len(of_split) for split, of_split in names.items()} == {"train": 5, "val": 6, "test": 11}
    assert len({name for of_split in names.values() for name in of_split}) == 22
    copy = plain(write_data(divided, tmp_path / "copy", to="voc"))
    assert {split: sorted(r.path.name for r in records) for split, records in copy.splits.items()} == {
        split: sorted(Path(name).name for name in of_split) for split, of_split in names.items()
    }
    again = split_data(data, val_fraction=0.25, test_fraction=0.5, seed=1)
    assert {split: records.names() for split, records in again.splits.items()} == names
    for argument in ("val_fraction", "test_fraction"):
        with pytest.raises(ValueError, match=argument):
            split_data(data, **({"val_fraction": 0.1, "test_fraction": 0.1, "seed": 0} | {argument: 1.0}))
