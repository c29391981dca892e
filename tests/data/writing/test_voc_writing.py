from __future__ import annotations

from xml.etree.ElementTree import parse

import pytest
from tests.data.layouts import CLASSES, write_coco

from torchghm.data import Records, load_data
from torchghm.data.writing.voc_writing import write_voc

COLUMNS = ("widths", "heights", "image_ids", "offsets", "boxes", "labels", "crowd", "area")


def test_objects_lists_and_images(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    write_voc(tmp_path / "voc", data.splits, ("<ant>", "b&e", "cow"))
    assert (tmp_path / "voc" / "ImageSets" / "Main" / "train.txt").read_text() == "a\nb\nc\n"
    root = parse(tmp_path / "voc" / "Annotations" / "a.xml").getroot()
    assert root.findtext("filename") == "a.png"
    assert [root.findtext(f"size/{side}") for side in ("width", "height")] == ["40", "30"]
    first, second = root.iter("object")
    assert [node.findtext("name") for node in (first, second)] == ["<ant>", "cow"]
    assert [first.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")] == ["1", "2", "11", "12"]
    assert first.findtext("difficult") == "0"
    image = data.splits["train"][0].path.read_bytes()
    assert (tmp_path / "voc" / "JPEGImages" / "a.png").read_bytes() == image


def test_what_voc_has_no_name_for_is_refused(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    with pytest.raises(ValueError, match="splits that VOC has lists for.*'extra'"):
        write_voc(tmp_path / "voc", {"extra": data.splits["train"]}, CLASSES)
    for name in (" ant", "a\x00nt"):
        with pytest.raises(ValueError, match="class names that XML can hold"):
            write_voc(tmp_path / "voc", data.splits, (name, "bee", "cow"))
    assert not (tmp_path / "voc").exists()


@pytest.mark.parametrize("name", [" a.png", "a\nb.png", "a\udce9.png"])
def test_a_name_of_an_image_that_no_list_can_hold_is_refused(tmp_path, name):
    data = load_data(write_coco(tmp_path / "data"))
    records = data.splits["train"]
    odd = Records(
        records.root,
        [name, *records.names()[1:]],
        **{column: getattr(records, column) for column in COLUMNS},
    )
    with pytest.raises(ValueError, match="names of images that VOC's lists and XML can hold"):
        write_voc(tmp_path / "voc", {"train": odd}, CLASSES)
    assert not (tmp_path / "voc").exists()
