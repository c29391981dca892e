from __future__ import annotations

import pytest
from tests.data.layouts import write_image, write_yolo

from torchghm.data import DataError, load_data


def with_missing(root, missing: int, of: int):
    write_yolo(root)
    write_image(root / "images" / "train" / "x0.png")
    for number in range(of):
        image = root / "images" / "train" / f"x{number}.png"
        if number:
            image.hardlink_to(root / "images" / "train" / "x0.png")
        if number >= missing:
            (root / "labels" / "train" / f"x{number}.txt").touch()
    return root


def test_a_few_images_without_labels_are_counted_more_are_refused(tmp_path):
    data = load_data(with_missing(tmp_path / "few", 5, 97))
    (problem,) = data.problems
    assert (problem.what, problem.count) == ("unlabelled-image", 5)
    assert "images/train/x0.png (looked for labels/train/x0.txt)" in problem.detail
    root = with_missing(tmp_path / "many", 6, 97)
    with pytest.raises(DataError, match="6 of the 100 images of 'train'.*--unlabelled background"):
        load_data(root)
    said = load_data(root, unlabelled="background", strict=True)
    assert [(problem.what, problem.count) for problem in said.problems] == [("background-image", 6)]
    assert len(said.splits["train"]) == 100


def test_a_split_for_testing_without_labels_is_left_out(tmp_path):
    root = write_yolo(tmp_path / "data")
    (root / "labels" / "test" / "e.txt").unlink()
    data = load_data(root)
    assert list(data.splits) == ["train", "val"]
    assert [problem.what for problem in data.problems] == ["unlabelled-split"]


def test_two_images_of_one_name_share_their_labels(tmp_path):
    root = write_yolo(tmp_path / "data")
    write_image(root / "images" / "train" / "a.bmp")
    (problem,) = load_data(root).problems
    assert problem.what == "shared-labels"
    assert "a.bmp and a.png have labels/train/a.txt" in problem.detail
