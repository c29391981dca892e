from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from tests.data.layouts import SAMPLES, Sample, write_coco, write_voc, write_yolo

from torchghm.data import load_data, write_noisy
from torchghm.data.label_noise import KINDS

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}
# Boxes that no tool for whole numbers would write, one of them as large as its image.
MANY = tuple(
    Sample(f"{number:02}.png", "train", ((0, 0, 40, 30), (1.25, 2.5, 11.75, 12.125), (5, 5, 30, 25)), (0, 1, 2))
    for number in range(12)
)


def objects(records):
    """Every object as image, label and box."""
    return {
        (record.path.name, int(label), *map(float, box))
        for record in records
        for label, box in zip(record.labels, record.boxes, strict=True)
    }


@pytest.mark.parametrize("layout", WRITERS)
def test_only_the_training_labels_are_wrong_and_the_list_says_how(tmp_path, layout):
    clean = load_data(WRITERS[layout](tmp_path / "data", (*MANY, *SAMPLES[3:])))
    noisy = load_data(write_noisy(clean, tmp_path / "noisy", rate=0.5))
    assert noisy.layout == "coco"
    assert noisy.classes == clean.classes
    assert list(noisy.splits) == ["train", "val", "test"]
    for split in ("val", "test"):
        assert objects(noisy.splits[split]) == objects(clean.splits[split])
    noise = json.loads((tmp_path / "noisy" / "label_noise.json").read_text())
    assert noise["rate"] == 0.5
    assert Counter(change["kind"] for change in noise["changes"]) == Counter(
        {"class": 5, "shifted": 5, "missing": 4, "spurious": 4}
    )
    before, after = objects(clean.splits["train"]), objects(noisy.splits["train"])
    # Each error takes an object away, puts one in, or does both.
    assert len(before - after) == 14
    assert len(after - before) == 14
    for record in clean.splits["train"]:
        copy = next(path for path in (tmp_path / "noisy" / "train").rglob(record.path.name))
        assert copy.read_bytes() == record.path.read_bytes()


def test_one_class_has_no_wrong_classes(tmp_path):
    root = write_coco(tmp_path / "data", (*MANY, *SAMPLES[3:4]), categories=[{"id": 1, "name": "ant"}])
    for file in (root / "annotations").iterdir():
        content = json.loads(file.read_text())
        content["categories"] = [{"id": 1, "name": "ant"}]
        for annotation in content["annotations"]:
            annotation["category_id"] = 1
        file.write_text(json.dumps(content))
    write_noisy(load_data(root), tmp_path / "noisy", rate=0.5)
    changes = json.loads((tmp_path / "noisy" / "label_noise.json").read_text())["changes"]
    assert Counter(change["kind"] for change in changes) == {kind: 6 for kind in KINDS if kind != "class"}


def test_difficult_objects_stay_as_they_are(tmp_path):
    root = write_voc(tmp_path / "data", (*MANY, *SAMPLES[3:4]))
    for file in (root / "Annotations").iterdir():
        file.write_text(file.read_text().replace("<difficult>0", "<difficult>1", 1))
    clean = load_data(root)
    noisy = load_data(write_noisy(clean, tmp_path / "noisy", rate=0.9))
    crowds = [records.boxes[records.crowd] for records in (clean.splits["train"], noisy.splits["train"])]
    assert len(crowds[0]) == 12
    np.testing.assert_array_equal(*crowds)


def test_trainval_which_has_the_right_labels_is_left_out(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\nc\nd\n")
    noisy = load_data(write_noisy(load_data(root), tmp_path / "noisy", rate=0.5))
    assert list(noisy.splits) == ["train", "val", "test"]


def test_a_split_that_is_taken_from_the_training_images_is_clean(tmp_path):
    clean = load_data(write_coco(tmp_path / "data", MANY))
    noisy = load_data(write_noisy(clean, tmp_path / "noisy", rate=0.9))
    assert list(noisy.splits) == ["train", "val", "test"]
    assert objects(noisy.splits["val"]) == objects(clean.splits["val"])


def test_the_seed_decides(tmp_path):
    data = load_data(write_voc(tmp_path / "data", (*MANY, *SAMPLES[3:])))
    files = [
        (write_noisy(data, tmp_path / name, rate=0.5, seed=seed) / "label_noise.json").read_bytes()
        for name, seed in (("one", 1), ("again", 1), ("two", 2))
    ]
    assert files[0] == files[1] != files[2]


def test_shards_can_be_spoilt_too(tmp_path):
    from torchghm.data import write_shards

    clean = load_data(write_coco(tmp_path / "data", (*MANY, *SAMPLES[3:])))
    shards = load_data(write_shards(clean, tmp_path / "shards"))
    of_folder, of_shards = (write_noisy(data, tmp_path / f"noisy-{data.layout}", rate=0.5) for data in (clean, shards))
    for file in sorted(path.relative_to(of_folder) for path in of_folder.rglob("*") if path.is_file()):
        assert (of_folder / file).read_bytes() == (of_shards / file).read_bytes()


def test_what_is_there_is_never_replaced(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(FileExistsError, match=r"full.*an empty folder"):
        write_noisy(data, tmp_path / "full", rate=0.1)
    for inside in (tmp_path / "data", tmp_path / "data" / "noisy"):
        with pytest.raises(ValueError, match="Expected a folder outside of the data"):
            write_noisy(data, inside, rate=0.1)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    assert load_data(write_noisy(data, tmp_path / "empty", rate=0.1)).classes == data.classes


def test_an_image_that_is_gone_leaves_nothing_behind(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    data.splits["train"][0].path.unlink()
    with pytest.raises(FileNotFoundError):
        write_noisy(data, tmp_path / "noisy", rate=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(("argument", "value"), [("rate", 1.0), ("rate", -0.1), ("rate", np.nan), ("seed", -1)])
def test_arguments_out_of_range_are_named(tmp_path, argument, value):
    data = load_data(write_coco(tmp_path / "data"))
    with pytest.raises(ValueError, match=f"`{argument}`"):
        write_noisy(data, tmp_path / "noisy", **({"rate": 0.1} | {argument: value}))


def test_data_without_training_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected data with the split 'train'.*which has 'test'"):
        write_noisy(load_data(write_coco(tmp_path / "data", SAMPLES[4:])), tmp_path / "noisy", rate=0.1)
