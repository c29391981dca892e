from __future__ import annotations

import base64
import io
import json
import re

import pytest
from PIL import Image
from tests.data.layouts import CLASSES, write_coco, write_yolo

from torchghm.atomic_files import WriteError
from torchghm.data import check_data, write_check_page


def spoilt(root):
    file = write_coco(root) / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["bbox"] = [-5, 0, 20, 10]
    content["categories"][0]["name"] = "<script>ant"
    file.write_text(json.dumps(content))
    return root


def test_the_page_draws_classes_problems_and_extremes(tmp_path):
    page = write_check_page(check_data(spoilt(tmp_path / "data")), tmp_path / "page.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Splits", "Boxes by class", "Problems", "A sample of every class", "The smallest boxes", "The largest boxes",
    ]  # fmt: skip
    assert "box-clipped" in page
    assert "<script>" not in page
    assert "&lt;script&gt;ant" in page
    pictures = [Image.open(io.BytesIO(base64.b64decode(content))) for content in re.findall(r'base64,([^"]+)', page)]
    assert len(pictures) == 1 + 4 + 4 + 4  # val and test have the good name, so that there are four classes
    assert all(picture.size in ((40, 30), (50, 20)) for picture in pictures)
    assert "http" not in page


def test_the_page_of_a_set_that_cannot_be_read(tmp_path):
    (tmp_path / "empty").mkdir()
    page = write_check_page(check_data(tmp_path / "empty"), tmp_path / "page.html").read_text()
    assert "not usable" in page
    assert "unusable-folder" in page


def test_images_that_cannot_be_read_are_left_out(tmp_path):
    root = write_yolo(tmp_path / "data")
    check = check_data(root)
    (root / "images" / "train" / "a.png").write_bytes(b"nothing")
    assert "base64" in write_check_page(check, tmp_path / "page.html").read_text()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="page.html"):
        write_check_page(check_data(write_coco(tmp_path / "data")), tmp_path / "file" / "page.html")


def test_json_says_what_the_tables_say(tmp_path):
    check = check_data(spoilt(tmp_path / "data"))
    said = json.loads(json.dumps(check.as_dict()))
    assert (said["layout"], said["usable"]) == ("coco", True)
    assert said["classes"] == ["<script>ant", *CLASSES[1:], "ant"]
    assert said["splits"]["train"]["boxes"] == 3
    problem, other = said["problems"]
    assert other["kind"] == "class-not-in-train"
    assert (problem["kind"], problem["severity"], problem["count"]) == ("box-clipped", "warning", 1)
    assert problem["remedy"]
