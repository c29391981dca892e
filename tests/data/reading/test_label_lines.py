from __future__ import annotations

import pytest
from tests.data.layouts import write_image
from tests.data.reading.yolo_settings import NAMES, SETTINGS, with_settings

from torchghm.data import load_data


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
