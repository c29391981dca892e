from __future__ import annotations

from tests.data.layouts import SAMPLES, Sample, write_image, write_yolo

from torchghm.data import load_data
from torchghm.data.evidence.seen import what_is_there
from torchghm.data.folders.folder import DataFolder

MANY = tuple(Sample(f"{number:02}.png", "train", ((1, 1, 9, 9),), (number % 3,)) for number in range(20))


def test_folders_and_lists_that_nobody_reads_are_named_before_a_split_is_drawn(tmp_path):
    root = write_yolo(tmp_path / "data", MANY)
    write_image(root / "images" / "holdout" / "z.png")
    (root / "val.txt").write_text("images/train/00.png\n")
    data = load_data(root)
    (problem,) = data.problems
    assert problem.what == "unread-files"
    assert "images/holdout/ (1 images)" in problem.detail
    assert "val.txt" in problem.detail
    assert "drawn at random from 'train'" in problem.detail


def test_nothing_is_said_where_no_split_is_drawn(tmp_path):
    root = write_yolo(tmp_path / "data", (*SAMPLES,))
    write_image(root / "images" / "holdout" / "z.png")
    assert load_data(root).problems == ()


def test_what_is_in_an_unknown_folder(tmp_path):
    assert what_is_there(DataFolder(tmp_path)) == "none: there is no file in it"
    for name in ("train/a.jpg", "train/a.xml", "train/b.xml", ".DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert what_is_there(DataFolder(tmp_path)) == "none of them, but 2 XML files and 1 images in train/"
