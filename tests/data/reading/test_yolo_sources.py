from __future__ import annotations

import shutil

import pytest
from tests.data.layouts import CLASSES, write_yolo
from tests.data.reading.yolo_settings import NAMES, SETTINGS, with_settings

from torchghm.data import DataError, load_data
from torchghm.data.folders.folder import DataFolder
from torchghm.data.reading.yolo_sources import YoloSource, settings_beside, settings_in, starts_of


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


@pytest.mark.parametrize("path", [".", "/somewhere/else", "../datasets/mine"])
def test_the_folder_that_settings_name_is_only_a_hint(tmp_path, path):
    data = load_data(with_settings(tmp_path / "data", f"path: {path}\n" + SETTINGS + NAMES))
    assert [len(records) for records in data.splits.values()] == [3, 1, 1]


def test_the_folder_that_settings_name_may_be_in_the_data_folder(tmp_path):
    root = write_yolo(tmp_path / "data" / "inner").parent
    shutil.move(root / "inner" / "data.yaml", root / "data.yaml")
    (root / "data.yaml").write_text("path: inner\n" + SETTINGS + NAMES)
    assert len(load_data(root).splits["train"].labels) == 3


def test_a_shape_of_key_points_that_is_none(tmp_path):
    with pytest.raises(DataError, match="two whole numbers under the key 'kpt_shape', but got 'many'"):
        load_data(with_settings(tmp_path / "data", SETTINGS + NAMES + "kpt_shape: many\n"))


@pytest.mark.parametrize("name", [r'"\U00110000"', r'"\UFFFFFFFF"'])
def test_characters_that_do_not_exist(tmp_path, name):
    with pytest.raises(DataError, match="data.yaml.*is not YAML"):
        load_data(with_settings(tmp_path / "data", SETTINGS + f"names: [ant, bee, {name}]\n"))


def test_settings_beside_the_data_are_taken_where_they_lead_to_images(tmp_path):
    root = with_settings(tmp_path / "data", "")
    (root / "data.yaml").unlink()
    (root / "config").mkdir()
    (root / "config" / "mine.yaml").write_text(SETTINGS + NAMES)
    (root / "config" / "others.yaml").write_text("train: coco/train\nnames: [person]\n")
    folder = DataFolder(root)
    assert settings_in(folder, "config") == ["config/mine.yaml", "config/others.yaml"]
    assert list(settings_beside(folder)) == ["config/mine.yaml"]
    (root / "classes.txt").write_text("ant\nbee\ncow\n")
    assert [len(records) for records in load_data(root).splits.values()] == [3, 1, 1]


def test_where_an_entry_of_settings_can_lead():
    source = YoloSource("config/data.yaml", CLASSES, {}, "..")
    places = starts_of(source, "images")
    assert places == ["config/../images", "../images", "config/images", "images"]
    assert starts_of(YoloSource("data.yaml", CLASSES, {}), "../train") == ["../train", "train"]
