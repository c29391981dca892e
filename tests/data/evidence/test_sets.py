from __future__ import annotations

from tests.data.layouts import SAMPLES, Sample, write_image, write_yolo

from torchghm.data import load_data

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
