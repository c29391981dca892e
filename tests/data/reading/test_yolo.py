from __future__ import annotations

import pytest
from tests.data.layouts import write_image
from tests.data.reading.yolo_settings import NAMES, SETTINGS, with_settings

from torchghm.data import DataError, load_data


def test_exporters_that_write_one_level_up_are_understood(tmp_path):
    root = with_settings(tmp_path / "data", "train: ../train/images\nval: ../valid/images\n" + NAMES)
    for split, folder in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            (root / folder).mkdir(exist_ok=True)
            (root / kind / split).rename(root / folder / kind)
    data = load_data(root)
    assert data.splits["train"].names() == ["train/images/a.png", "train/images/b.png", "train/images/c.png"]
    assert len(data.splits["train"].labels) == 3


def test_lists_of_images_and_lists_of_folders(tmp_path):
    root = with_settings(tmp_path / "data", "train: [lists/train.txt, images/val]\ntest: images/test\n" + NAMES)
    (root / "lists").mkdir()
    (root / "lists" / "train.txt").write_text(
        f"images/train/a.png\n\n./../images/train/b.png\n{root}/images/train/c.png\n"
    )
    assert load_data(root, val_fraction=0).splits["train"].names() == [
        "images/train/a.png", "images/train/b.png", "images/train/c.png", "images/val/d.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images/train/gone.png", "missing-image: 1 of 'train': 'images/train/gone.png'"),
        ("../../../etc/hostname.png", "path-outside: 1 of 'train'"),
        ("/etc/hostname.png", "path-outside: 1 of 'train'"),
    ],
)
def test_listed_images_that_are_not_there_are_named(tmp_path, line, message):
    root = with_settings(tmp_path / "data", "train: train.txt\n" + NAMES)
    (root / "train.txt").write_text(f"images/train/a.png\n{line}\n")
    with pytest.raises(DataError, match=message):
        load_data(root)


def test_labels_of_images_outside_an_images_folder_lie_beside_them(tmp_path):
    root = tmp_path / "data"
    write_image(root / "train" / "a.png")
    write_image(root / "val" / "b.png")
    (root / "train" / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    (root / "val" / "b.txt").touch()
    (root / "data.yaml").write_text("train: train\nval: val\n" + NAMES)
    assert load_data(root).splits["train"][0].labels.tolist() == [1]


def test_only_the_last_images_folder_stands_for_labels(tmp_path):
    root = tmp_path / "data"
    write_image(root / "images" / "x" / "images" / "a.png")
    write_image(root / "images" / "y" / "b.png")
    (root / "images" / "x" / "labels").mkdir()
    (root / "images" / "x" / "labels" / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    (root / "labels" / "y").mkdir(parents=True)
    (root / "labels" / "y" / "b.txt").touch()
    (root / "data.yaml").write_text("train: images/x\nval: images/y\n" + NAMES)
    assert load_data(root).splits["train"][0].labels.tolist() == [1]


def test_two_keys_of_one_split(tmp_path):
    with pytest.raises(DataError, match="'valid' is a second list of 'val'"):
        load_data(with_settings(tmp_path / "data", SETTINGS + NAMES + "valid: images/test\n"))


def test_half_a_character(tmp_path):
    with pytest.raises(DataError, match=r"the class name '\\ud800' is no text"):
        load_data(with_settings(tmp_path / "data", SETTINGS + r'names: [ant, bee, "\ud800"]'))


def test_label_files_without_an_image_are_counted(tmp_path):
    root = with_settings(tmp_path / "data", SETTINGS + NAMES)
    assert not [problem for problem in load_data(root).problems if problem.what == "annotation-without-image"]
    for name in ("zzz.txt", "classes.txt"):
        (root / "labels" / "train" / name).write_text("1 0.5 0.5 0.4 0.4\n")
    (problem,) = [p for p in load_data(root).problems if p.what == "annotation-without-image"]
    assert (problem.file, problem.count) == ("labels/train", 1)
    assert "zzz.txt" in problem.detail
    with pytest.raises(DataError, match="annotation-without-image"):
        load_data(root, strict=True)
