from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.data.layouts import CLASSES, write_image, write_yolo

from torchghm.data import DataError, load_data

SETTINGS = "train: images/train\nval: images/val\ntest: images/test\n"
NAMES = "names: [ant, bee, cow]\n"


def with_settings(root: Path, settings: str | bytes) -> Path:
    """The good data set, with another data.yaml."""
    write_yolo(root)
    (root / "data.yaml").write_bytes(settings if isinstance(settings, bytes) else settings.encode())
    return root


@pytest.mark.parametrize(
    "names",
    [NAMES, "names:\n  0: ant\n  1: bee\n  2: cow\n", "names:\n- ant\n- bee\n- cow\nnc: 3\n", "nc: '3'\n" + NAMES],
)
def test_class_names_as_list_or_mapping(tmp_path, names):
    assert load_data(with_settings(tmp_path / "data", SETTINGS + names)).classes == CLASSES


def test_names_that_yaml_takes_for_something_else_stay_names(tmp_path):
    assert load_data(with_settings(tmp_path / "data", SETTINGS + "names: [no, 1.0, 2020-01-01]\n")).classes == (
        "no", "1.0", "2020-01-01",
    )  # fmt: skip


def test_exporters_that_write_one_level_up_are_understood(tmp_path):
    root = with_settings(tmp_path / "data", "train: ../train/images\nval: ../valid/images\n" + NAMES)
    for split, folder in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            (root / folder).mkdir(exist_ok=True)
            (root / kind / split).rename(root / folder / kind)
    data = load_data(root)
    assert data.splits["train"].names() == ["train/images/a.png", "train/images/b.png", "train/images/c.png"]
    assert len(data.splits["train"].labels) == 3


@pytest.mark.parametrize("path", [".", "/somewhere/else", "../datasets/mine"])
def test_the_folder_that_settings_name_is_only_a_hint(tmp_path, path):
    data = load_data(with_settings(tmp_path / "data", f"path: {path}\n" + SETTINGS + NAMES))
    assert [len(records) for records in data.splits.values()] == [3, 1, 1]


def test_the_folder_that_settings_name_may_be_in_the_data_folder(tmp_path):
    root = write_yolo(tmp_path / "data" / "inner").parent
    shutil.move(root / "inner" / "data.yaml", root / "data.yaml")
    (root / "data.yaml").write_text("path: inner\n" + SETTINGS + NAMES)
    assert len(load_data(root).splits["train"].labels) == 3


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


@pytest.mark.parametrize(("shape", "numbers"), [("[2, 2]", 4), ("[2, 3]", 6), ("[1, 3]", 3)])
def test_key_points_after_the_box_are_left_out(tmp_path, shape, numbers):
    root = with_settings(tmp_path / "data", SETTINGS + NAMES + f"kpt_shape: {shape}\n")
    write_image(root / "images" / "train" / "pose.png", 40, 30)
    line = "1 0.5 0.5 0.4 0.4" + " 0.1" * numbers
    (root / "labels" / "train" / "pose.txt").write_text(line + "\n1 0.5 0.5 0.4 0.4 0.1 0.1 0.2 0.2 0.3 0.3 0.9 0.9\n")
    data = load_data(root)
    records = data.splits["train"]
    index = [records.name(i) for i in range(len(records))].index("images/train/pose.png")
    boxes = records[index].boxes
    assert boxes.tolist() == [pytest.approx([12, 9, 28, 21])]  # the second line has other key points
    assert [problem.what for problem in data.problems].count("line-of-unknown-columns") == 1


def test_a_shape_of_key_points_that_is_none(tmp_path):
    with pytest.raises(DataError, match="two whole numbers under the key 'kpt_shape', got 'many'"):
        load_data(with_settings(tmp_path / "data", SETTINGS + NAMES + "kpt_shape: many\n"))


def test_two_keys_of_one_split(tmp_path):
    with pytest.raises(DataError, match="'valid' is a second list of 'val'"):
        load_data(with_settings(tmp_path / "data", SETTINGS + NAMES + "valid: images/test\n"))


@pytest.mark.parametrize("name", [r'"\U00110000"', r'"\UFFFFFFFF"'])
def test_characters_that_do_not_exist(tmp_path, name):
    with pytest.raises(DataError, match="data.yaml.*is not YAML"):
        load_data(with_settings(tmp_path / "data", SETTINGS + f"names: [ant, bee, {name}]\n"))


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
