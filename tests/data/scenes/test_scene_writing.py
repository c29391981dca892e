from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import torchghm.data.scenes.scene_writing
from torchghm.data import DetectionDataset, check_data, load_data, write_scenes


def contents(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "made", images=40, seed=3, label_noise=0.2, workers=2)


def test_the_reader_reads_them(scenes):
    check = check_data(scenes)
    assert (check.layout, check.problems) == ("coco", ())
    assert {split: count.images for split, count in check.splits.items()} == {"train": 28, "val": 4, "test": 8}
    assert check.classes[:3] == ("zero", "one", "two")
    image, target = DetectionDataset(load_data(scenes).select("val,test"), check.classes)[0]
    assert image.shape == (3, 160, 213)
    assert len(target["boxes"]) >= 1


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(scenes, tmp_path):
    made = contents(scenes)
    assert len(made) == 40 + 3 + 2
    again = write_scenes(tmp_path / "again", images=40, seed=3, label_noise=0.2, workers=1)
    assert contents(again) == made
    other = write_scenes(tmp_path / "other", images=40, seed=4, label_noise=0.2)
    assert not {digest for name, digest in contents(other).items() if name.endswith("jpg")} & set(made.values())


def test_label_noise_is_in_the_training_labels_only_and_in_the_side_file(scenes, tmp_path):
    clean = write_scenes(tmp_path / "clean", images=40, seed=3)
    assert not (clean / "label_noise.json").exists()
    different = {name for name, digest in contents(clean).items() if contents(scenes)[name] != digest}
    assert different == {"annotations/instances_train.json", "scenes.json"}
    right, wrong = (
        {
            entry["id"]: entry
            for entry in json.loads((root / "annotations/instances_train.json").read_text())["annotations"]
        }
        for root in (clean, scenes)
    )
    noise = json.loads((scenes / "label_noise.json").read_text())
    assert noise["rate"] == 0.2
    assert len(noise["changes"]) == round(0.2 * len(right))
    changed = {change["annotation_id"] for change in noise["changes"]}
    assert {number for number in right.keys() | wrong.keys() if right.get(number) != wrong.get(number)} == changed
    # Undo what the side file lists, and the labels are right again.
    for change in noise["changes"]:
        number, original = change["annotation_id"], change["original"]
        if original is None:
            assert number not in right
            del wrong[number]
        else:
            width, height = original["bbox"][2:]
            entry = {"id": number, "image_id": change["image_id"], "iscrowd": 0, "area": width * height}
            wrong[number] = wrong.get(number, entry) | original
    assert {number: entry["bbox"] for number, entry in wrong.items()} == {
        n: entry["bbox"] for n, entry in right.items()
    }
    assert {n: entry["category_id"] for n, entry in wrong.items()} == {n: e["category_id"] for n, e in right.items()}


def test_ids_are_unique_over_all_splits(scenes):
    files = sorted((scenes / "annotations").iterdir())
    for key in ("images", "annotations"):
        ids = [entry["id"] for file in files for entry in json.loads(file.read_text())[key]]
        assert len(set(ids)) == len(ids)
    changes = json.loads((scenes / "label_noise.json").read_text())["changes"]
    kept_out = {
        entry["id"]
        for file in files
        if "train" not in file.name
        for entry in json.loads(file.read_text())["annotations"]
    }
    assert not kept_out & {change["annotation_id"] for change in changes}


def test_a_split_may_be_left_out(tmp_path):
    root = write_scenes(tmp_path / "scenes", images=3, val_fraction=0, test_fraction=0, image_size=(80, 96))
    assert sorted(path.name for path in root.iterdir()) == ["annotations", "scenes.json", "train"]
    assert len(json.loads((root / "annotations" / "instances_train.json").read_text())["images"]) == 3


def test_folders_that_hold_something_are_not_touched(tmp_path):
    (tmp_path / "empty").mkdir()
    write_scenes(tmp_path / "empty", images=2, val_fraction=0, test_fraction=0)
    made = contents(tmp_path / "empty")
    with pytest.raises(FileExistsError, match="empty' is not empty"):
        write_scenes(tmp_path / "empty", images=2)
    assert contents(tmp_path / "empty") == made
    write_scenes(tmp_path / "empty", images=3, seed=1, val_fraction=0, test_fraction=0, overwrite=True)
    assert len(list((tmp_path / "empty" / "train").iterdir())) == 3
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="precious"):
            write_scenes(tmp_path / "precious", images=2, overwrite=overwrite)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="file"):
        write_scenes(tmp_path / "file", images=2, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "precious"]


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    draw = torchghm.data.scenes.scene_writing.draw_scene

    def interrupted(rng, *arguments):
        if rng.random() < 0.3:
            raise KeyboardInterrupt
        return draw(rng, *arguments)

    monkeypatch.setattr(torchghm.data.scenes.scene_writing, "draw_scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / "deep" / "scenes", images=30)
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("images", 0),
        ("label_noise", 1.5),
        ("label_noise", np.nan),
        ("image_size", (79, 200)),
        ("image_size", (200, 100_000)),
        ("val_fraction", 1.0),
        ("test_fraction", -0.5),
        ("seed", -1),
    ],
)
def test_arguments_out_of_range_are_named(tmp_path, argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`"):
        write_scenes(tmp_path / "scenes", **{argument: value})
    assert not (tmp_path / "scenes").exists()
