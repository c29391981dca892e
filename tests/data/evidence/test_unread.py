from __future__ import annotations

import json

import pytest
from tests.data.odd.converted import labelme
from tests.data.odd.names import then
from tests.data.odd.sets import labels, picture, reads, write, write_voc, write_yolo, xml
from tests.data.odd.test_odd_sets import verify

NOTES = {"x.xml": xml("p", name="x.jpg"), "x.json": json.dumps(labelme("p", name="x.jpg")), "x.txt": labels("p")}


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("images/extra/x.jpg", "labels/extra/x.txt"),
        ("new/images/x.jpg", "new/labels/x.txt"),
        ("new/x.jpg", "new/x.xml"),
    ],
)
def test_an_image_that_is_not_read_and_has_annotations_is_named(tmp_path, image, file):
    write_yolo(tmp_path)
    picture(tmp_path / image)
    write(tmp_path / file, NOTES[f"x{file[-4:]}"])
    verify(tmp_path, reads("unread-annotations"))


@pytest.mark.parametrize(
    ("image", "file", "content"),
    [
        ("runs/detect/x.jpg", "runs/detect/x.txt", labels("p")),
        ("notes/x.jpg", "notes/x.txt", "seen on Monday\n"),
        ("notes/x.jpg", "notes/x.json", '{"camera": 3}'),
        ("copies/p.jpg", "scores/p.txt", labels("p")),
        ("notes/x.jpg", "notes/y.txt", labels("p")),
    ],
)
def test_nothing_is_said_of_others(tmp_path, image, file, content):
    write_yolo(tmp_path)
    picture(tmp_path / image)
    write(tmp_path / file, content)
    verify(tmp_path, reads())


def test_files_that_are_reported_already_are_not_reported_again(tmp_path):
    write_voc(tmp_path)
    picture(tmp_path / "JPEGImages/x.jpg")
    write(tmp_path / "Annotations/x.xml", NOTES["x.xml"])
    verify(tmp_path, reads("unlisted-annotations"))


def test_half_of_the_images_in_another_layout(tmp_path):
    make = then(write_voc, lambda root: (picture(root / "JPEGImages/x.jpg"), write(root / "x.json", NOTES["x.json"])))
    make(tmp_path)
    verify(tmp_path, reads("unread-annotations", "unlisted-image", "other-layout"))
