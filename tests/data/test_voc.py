from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from tests.data.layouts import CLASSES, SAMPLES, Sample, voc_xml, write_image, write_voc

from torchghm.data import DataError, load_data

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {name} "{f"&{inner};" * 10}">' for name, inner in zip("bcdefghij", "abcdefghi", strict=True))
    + "]><annotation><filename>&j;</filename></annotation>"
)
OTHER_FILE = (
    '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>'
    "<annotation><object><name>&file;</name></object></annotation>"
)


def with_xml(root: Path, xml: str | bytes) -> Path:
    """The good data set, but a.xml holds something else."""
    write_voc(root)
    content = xml if isinstance(xml, bytes) else xml.encode()
    (root / "Annotations" / "a.xml").write_bytes(content)
    return root


def with_object(root: Path, inner: str) -> Path:
    return with_xml(root, voc_xml(SAMPLES[0]).replace("</annotation>", f"<object>{inner}</object></annotation>"))


@pytest.mark.parametrize(
    ("box", "what"),
    [
        (BOX.format(5, 5, 5, 5), "box-without-area"),
        (BOX.format(9, 5, 5, 9), "box-without-area"),
        (BOX.format("nan", 5, 9, 9), "box-not-finite"),
        (BOX.format(5, 5, "1e999", 9), "box-not-finite"),
        (BOX.format(50, 5, 60, 9), "box-outside"),
        (BOX.format(-50, -5, -40, -1), "box-outside"),
        (BOX.format("five", 5, 9, 9), "box-malformed"),
        (BOX.format("", 5, 9, 9), "box-malformed"),
        ("<bndbox><xmin>5</xmin></bndbox>", "box-malformed"),
        ("<robndbox><cx>5</cx></robndbox>", "box-malformed"),
        ("", "box-malformed"),
    ],
)
def test_boxes_that_cannot_be_learned_from_are_dropped_with_a_count(tmp_path, box, what):
    root = with_object(tmp_path / "data", f"<name>ant</name>{box}")
    data = load_data(root)
    assert data.splits["train"][0].boxes.tolist() == [list(box) for box in SAMPLES[0].boxes]
    (problem,) = data.problems
    assert (problem.file, problem.what, problem.count) == ("Annotations/a.xml", what, 1)
    assert "object 3" in problem.detail
    with pytest.raises(DataError, match=what):
        load_data(root, strict=True)


def test_boxes_partly_outside_are_clipped(tmp_path):
    data = load_data(with_object(tmp_path / "data", f"<name>ant</name>{BOX.format(-5, 20, 10, 99)}"))
    assert data.splits["train"][0].boxes[-1].tolist() == [0, 20, 10, 30]
    assert [problem.what for problem in data.problems] == ["box-clipped"]


def test_difficult_objects_are_crowds(tmp_path):
    root = with_object(tmp_path / "data", f"<name>ant</name><difficult>1</difficult>{BOX.format(1, 1, 9, 9)}")
    assert load_data(root).splits["train"][0].crowd.tolist() == [False, False, True]


def test_classes_are_in_alphabetical_order(tmp_path):
    data = load_data(with_object(tmp_path / "data", f"<name> aardvark\n</name>{BOX.format(1, 1, 9, 9)}"))
    assert data.classes == ("aardvark", *CLASSES)
    assert data.splits["train"][0].labels.tolist() == [1, 3, 0]


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "is not XML"),
        ("<annotation>", "is not XML"),
        ("<annotation></annotations>", "is not XML"),
        ("{}", "is not XML"),
        ("<html></html>", "expected the element <annotation>, got <html>"),
        (b"\x00\x01\x02", "is not XML"),
        (b'<?xml version="1.0" encoding="utf-8"?><annotation><folder>\xe4</folder></annotation>', "is not XML"),
        (b'<?xml version="1.0" encoding="klingon"?><annotation></annotation>', "is not XML"),
        (b'<?xml version="1.0" encoding="gb2312"?><annotation></annotation>', "is not XML"),
        (BILLION_LAUGHS, "Entities"),
        (OTHER_FILE, "Entities"),
        ("<annotation><object></object></annotation>", "expected a <name> in object 1, got none"),
        ("<annotation><object><name> </name></object></annotation>", "expected a <name> in object 1, got none"),
        (b"<annotation>" + b" " * (16 * 2**20) + b"</annotation>", "has 16777241 bytes, more than 16777216"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_a_file_that_is_no_voc_xml_is_named(tmp_path, xml, message):
    root = with_xml(tmp_path / "data", xml)
    with pytest.raises(DataError, match=rf"Annotations/a\.xml: malformed-annotations: .*{message}"):
        load_data(root)


def test_deep_nesting_does_no_harm(tmp_path):
    root = with_xml(tmp_path / "data", "<annotation>" + "<a>" * 100_000 + "</a>" * 100_000 + "</annotation>")
    assert len(load_data(root).splits["train"][0].boxes) == 0


def test_declared_encodings_are_read(tmp_path):
    xml = f"<object><name>K\u00e4fer</name>{BOX.format(1, 1, 9, 9)}</object>"
    content = f'<?xml version="1.0" encoding="iso-8859-1"?><annotation>{xml}</annotation>'.encode("latin-1")
    assert "K\u00e4fer" in load_data(with_xml(tmp_path / "data", content)).classes


@pytest.mark.parametrize("size", ["", "<size/>", "<size><width>0</width><height>0</height></size>",
                                  "<size><width>wide</width><height>30</height></size>"])  # fmt: skip
def test_sizes_that_are_not_stated_are_read_from_the_image(tmp_path, size):
    record = load_data(with_xml(tmp_path / "data", f"<annotation>{size}</annotation>")).splits["train"][0]
    assert (record.width, record.height) == (40, 30)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("gone", r"Annotations/gone\.xml: missing-annotations"),
        ("../../../etc/hostname", r"path-outside: '\.\./.*leads out"),
        ("/etc/hostname", r"path-outside: '/etc/hostname\.xml' leads out"),
        ("a\0b", "missing-annotations"),
    ],
)
def test_listed_images_that_are_not_there_are_named(tmp_path, entry, message):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "train.txt").write_text(f"a\n{entry}\n")
    with pytest.raises(DataError, match=message):
        load_data(root)


def test_an_annotation_without_its_image_is_named(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "JPEGImages" / "a.png").unlink()
    with pytest.raises(DataError, match=r"Annotations/a\.xml: missing-image: there is no image 'a'"):
        load_data(root)


def test_the_stated_file_name_is_the_second_choice(tmp_path):
    root = with_xml(tmp_path / "data", "<annotation><filename>other.PNG</filename></annotation>")
    (root / "JPEGImages" / "a.png").rename(root / "JPEGImages" / "other.PNG")
    assert load_data(root).splits["train"][0].path.name == "other.PNG"
    write_image(tmp_path / "secret.png")
    (root / "Annotations" / "a.xml").write_text("<annotation><filename>../../secret.png</filename></annotation>")
    with pytest.raises(DataError, match="path-outside"):
        load_data(root)


def test_annotations_that_link_out_are_refused(tmp_path):
    root = write_voc(tmp_path / "data")
    file = root / "Annotations" / "a.xml"
    file.rename(tmp_path / "a.xml")
    file.symlink_to(tmp_path / "a.xml")
    with pytest.raises(DataError, match=r"a\.xml: path-outside"):
        load_data(root)


def test_a_list_in_another_encoding_is_named(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "val.txt").write_bytes("K\u00e4fer\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"ImageSets/Main/val\.txt: malformed-annotations: is not text in UTF-8"):
        load_data(root)


def test_a_list_that_is_a_pipe_or_links_out_is_named(tmp_path):
    root = write_voc(tmp_path / "data")
    file = root / "ImageSets" / "Main" / "val.txt"
    file.rename(tmp_path / "val.txt")
    file.symlink_to(tmp_path / "val.txt")
    with pytest.raises(DataError, match=r"val\.txt: path-outside"):
        load_data(root)
    file.unlink()
    os.mkfifo(file)
    assert "val" not in load_data(root, val_fraction=0).splits


def test_names_beyond_ascii(tmp_path):
    sample = Sample(unicodedata.normalize("NFD", "K\u00e4fer \u7532\u866b.png"), "train", ((1, 1, 5, 5),), (0,))
    root = write_voc(tmp_path / "data", (sample, *SAMPLES[3:]))
    (root / "ImageSets" / "Main" / "train.txt").write_text(unicodedata.normalize("NFC", sample.stem), encoding="utf-8")
    assert load_data(root).splits["train"][0].path.is_file()


def test_without_lists_all_images_are_divided(tmp_path):
    data = load_data(write_voc(tmp_path / "data", lists=False))
    assert sorted(name for records in data.splits.values() for name in records.names()) == [
        f"JPEGImages/{sample.name}" for sample in SAMPLES
    ]
    assert list(data.splits) == ["train", "val", "test"]


def test_an_empty_folder_is_refused(tmp_path):
    root = write_voc(tmp_path / "data", ())
    (root / "JPEGImages").mkdir()
    with pytest.raises(DataError, match="no-training-boxes"):
        load_data(root)
