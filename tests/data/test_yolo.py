from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import pytest
from tests.data.layouts import CLASSES, SAMPLES, Sample, write_image, write_yolo

from torchghm.data import DataError, load_data

SETTINGS = "train: images/train\nval: images/val\ntest: images/test\n"
NAMES = "names: [ant, bee, cow]\n"


def with_settings(root: Path, settings: str | bytes) -> Path:
    """The good data set, with another data.yaml."""
    write_yolo(root)
    (root / "data.yaml").write_bytes(settings if isinstance(settings, bytes) else settings.encode())
    return root


def with_labels(root: Path, labels: str | bytes) -> Path:
    """The good data set, with other labels for b.png, which is 40 x 30."""
    write_yolo(root)
    (root / "labels" / "train" / "b.txt").write_bytes(labels if isinstance(labels, bytes) else labels.encode())
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "expected the keys train, val and names, got NoneType"),
        ("- a\n- b\n", "expected the keys train, val and names, got list"),
        ("train: [unclosed\n", "is not YAML"),
        ("train: \t@x\n", "is not YAML"),
        (b"names: [\xff\xfe]\n", "is not text in UTF-8"),
        ("a: !!python/object/apply:os.system [id]\n", "expected a list of class names under the key 'names'"),
        ("[" * 2_000, "is not YAML"),
        (SETTINGS, "expected a list of class names under the key 'names'"),
        (SETTINGS + "names: ant\n", "expected a list of class names under the key 'names'"),
        (SETTINGS + "names: []\n", "expected a list of class names under the key 'names'"),
        (SETTINGS + "names: [[ant], bee]\n", "expected a list of class names under the key 'names'"),
        (SETTINGS + "names: {0: ant, 2: bee}\n", "expected the numbers 0, 1, 2"),
        (SETTINGS + "names: [ant, ant]\n", "one of them twice"),
        (SETTINGS + NAMES + "nc: 80\n", "expected 3, the number of 'names', under the key 'nc', got '80'"),
        (NAMES, "expected images under the key 'train', got none"),
        (NAMES + "train: gone\n", "under 'train', got 'gone'"),
        (NAMES + "train: {a: b}\n", "expected a folder, a file or a list of them under the key 'train'"),
        (NAMES + "train: [[a]]\n", "expected a folder, a file or a list of them under the key 'train'"),
        (NAMES + "train: ../../outside\n", "under 'train', got '../../outside'"),
        (NAMES + "train: /etc\n", "under 'train', got '/etc'"),
        (NAMES + 'train: "a\\0b"\n', "under 'train', got"),
        ("a: &a x\n" * 200_000, "more than 524288"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_settings_that_cannot_be_used_are_named(tmp_path, settings, message):
    (tmp_path / "outside").mkdir()
    root = with_settings(tmp_path / "data", settings)
    with pytest.raises(DataError) as raised:
        load_data(root)
    assert "data.yaml: malformed-annotations" in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize("key", ["names", "nc", "train", "path"])
def test_yaml_bombs_do_no_harm(tmp_path, key):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{inner}'] * 9)}]\n"
        for name, inner in zip("bcdefghij", "abcdefghi", strict=True)
    )
    good = {"names": "[ant, bee, cow]", "train": "images/train", "val": "images/val"}
    settings = bomb + "".join(f"{name}: {value}\n" for name, value in (good | {key: "*j"}).items())
    root = with_settings(tmp_path / "data", settings)
    if key == "path":  # not a path: ignored
        assert len(load_data(root).splits["train"]) == 3
    else:
        with pytest.raises(DataError, match=r"data\.yaml: malformed-annotations: expected"):
            load_data(root)


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


def test_links_out_of_the_folder_are_refused(tmp_path):
    write_image(tmp_path / "secret.png")
    (tmp_path / "secret.txt").write_text("0 0.5 0.5 0.5 0.5")
    root = write_yolo(tmp_path / "data")
    (root / "images" / "train" / "z.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"path-outside.*images/train/z\.png"):
        load_data(root)
    (root / "images" / "train" / "z.png").unlink()
    (root / "labels" / "train" / "c.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DataError, match=r"labels/train/c\.txt: path-outside"):
        load_data(root)


def test_loops_of_links_end(tmp_path):
    root = write_yolo(tmp_path / "data")
    (root / "images" / "train" / "loop").symlink_to(root / "images", target_is_directory=True)
    (root / "images" / "train" / "self.png").symlink_to(root / "images" / "train" / "self.png")
    with pytest.raises(DataError, match=r"missing-image.*self\.png"):
        load_data(root)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0 0.5 0.5 0 0.5", "box-without-area"),
        ("0 0.5 0.5 0.5 0.0000001", "box-without-area"),
        ("0 nan 0.5 0.5 0.5", "box-not-finite"),
        ("0 20 15 10 10", "box-not-normalised"),
        ("0 0.5 0.5 -0.5 0.5", "box-not-normalised"),
        ("0 -0.2 0.5 0.1 0.5", "box-not-normalised"),
        ("0 inf 0.5 0.1 0.5", "box-not-normalised"),
        ("0 0.5 0.5 1.2 0.5", "box-not-normalised"),
        ("0 1.005 0.5 0.002 0.5", "box-outside"),
        ("0 0.5 0.5 0.5", "box-malformed"),
        ("0 0.5 0.5 0.5 0.5 0.9", "box-malformed"),
        ("0 a b c d", "box-malformed"),
        ("ant 0.5 0.5 0.5 0.5", "box-malformed"),
        ("0,0.5,0.5,0.5,0.5", "box-malformed"),
    ],
)
def test_boxes_that_cannot_be_learned_from_are_dropped_with_a_count(tmp_path, line, what):
    root = with_labels(tmp_path / "data", f"\n1 0.5 0.5 0.5 0.5\n{line}\n")
    data = load_data(root)
    record = data.splits["train"][1]
    assert record.boxes.tolist() == [[10, 7.5, 30, 22.5]]
    assert record.labels.tolist() == [1]
    (problem,) = data.problems
    assert (problem.file, problem.what, problem.count) == ("labels/train/b.txt", what, 1)
    assert "line 3" in problem.detail
    with pytest.raises(DataError, match=what):
        load_data(root, strict=True)


def test_rounded_coordinates_are_clipped(tmp_path):
    data = load_data(with_labels(tmp_path / "data", "0 0.5 0.5 1.0000001 1.0\n1 0.995 0.5 0.1 1.0\n"))
    assert data.splits["train"][1].boxes.tolist() == [[0, 0, 40, 30], [pytest.approx(37.8), 0, 40, 30]]
    assert [(problem.what, problem.count) for problem in data.problems] == [("box-clipped", 1)]


def test_polygons_become_their_boxes(tmp_path):
    record = load_data(with_labels(tmp_path / "data", "2 0.25 0.5 0.5 0.2 0.75 0.9\n")).splits["train"][1]
    assert record.boxes.tolist() == [[10, pytest.approx(6), 30, pytest.approx(27)]]


@pytest.mark.parametrize("label", ["3", "-1", "1.5", "nan", "1e300"])
def test_classes_that_are_not_defined_are_refused(tmp_path, label):
    root = with_labels(tmp_path / "data", f"{label} 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DataError, match=rf"b\.txt: unknown-category: 1: line 1 has class {label} of 3"):
        load_data(root)


@pytest.mark.parametrize("labels", [b"\xff\xfe0\x000\x00", b"\x89PNG\r\n\xff"])
def test_labels_in_another_encoding_are_named(tmp_path, labels):
    root = with_labels(tmp_path / "data", labels)
    with pytest.raises(DataError, match=r"labels/train/b\.txt: malformed-annotations: is not text in UTF-8"):
        load_data(root)


def test_enormous_label_files_are_refused(tmp_path):
    root = with_labels(tmp_path / "data", b"0 0.5 0.5 0.5 0.5\n" * 10**6)
    with pytest.raises(DataError, match=r"b\.txt: malformed-annotations: has 18000000 bytes"):
        load_data(root)


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    root = write_yolo(tmp_path / "data")
    (root / "images" / "train" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(DataError, match=r"images/train/a\.png: unreadable-image") as raised:
        load_data(root)
    assert len(raised.value.problems) == 1


def test_labels_of_images_outside_an_images_folder_lie_beside_them(tmp_path):
    root = tmp_path / "data"
    write_image(root / "train" / "a.png")
    write_image(root / "val" / "b.png")
    (root / "train" / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    (root / "data.yaml").write_text("train: train\nval: val\n" + NAMES)
    assert load_data(root).splits["train"][0].labels.tolist() == [1]


def test_only_the_last_images_folder_stands_for_labels(tmp_path):
    root = tmp_path / "data"
    write_image(root / "images" / "x" / "images" / "a.png")
    write_image(root / "images" / "y" / "b.png")
    (root / "images" / "x" / "labels").mkdir()
    (root / "images" / "x" / "labels" / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    (root / "data.yaml").write_text("train: images/x\nval: images/y\n" + NAMES)
    assert load_data(root).splits["train"][0].labels.tolist() == [1]


def test_names_beyond_ascii(tmp_path):
    sample = Sample(unicodedata.normalize("NFD", "K\u00e4fer \u7532\u866b.png"), "train", ((1, 1, 5, 5),), (0,))
    root = write_yolo(tmp_path / "data", (sample, *SAMPLES[3:]))
    labels = next((root / "labels" / "train").iterdir())
    labels.rename(labels.with_name(unicodedata.normalize("NFC", labels.name)))
    assert len(load_data(root).splits["train"][0].boxes) == 1
