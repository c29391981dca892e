from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.layouts import CLASSES, SAMPLES, voc_xml, write_image, write_voc

from torchghm.data import DataError, check_data, load_data

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def with_xml(root: Path, xml: str | bytes) -> Path:
    """The good data set, but a.xml holds something else."""
    write_voc(root)
    content = xml if isinstance(xml, bytes) else xml.encode()
    (root / "Annotations" / "a.xml").write_bytes(content)
    return root


def with_object(root: Path, inner: str) -> Path:
    return with_xml(root, voc_xml(SAMPLES[0]).replace("</annotation>", f"<object>{inner}</object></annotation>"))


def test_difficult_objects_are_crowds(tmp_path):
    root = with_object(tmp_path / "data", f"<name>ant</name><difficult>1</difficult>{BOX.format(1, 1, 9, 9)}")
    assert load_data(root).splits["train"][0].crowd.tolist() == [False, False, True]


def test_classes_are_in_alphabetical_order(tmp_path):
    data = load_data(with_object(tmp_path / "data", f"<name> aardvark\n</name>{BOX.format(1, 1, 9, 9)}"))
    assert data.classes == ("aardvark", *CLASSES)
    assert data.splits["train"][0].labels.tolist() == [1, 3, 0]


def test_an_empty_folder_is_refused(tmp_path):
    root = write_voc(tmp_path / "data", ())
    (root / "JPEGImages").mkdir()
    with pytest.raises(DataError, match="no-training-boxes"):
        load_data(root)


BLOOD_CELLS = """<annotation>
	<folder>JPEGImages</folder>
	<filename>{name}.jpg</filename>
	<path>/home/pi/detection_dataset/JPEGImages/{name}.jpg</path>
	<source>
		<database>Unknown</database>
	</source>
	<size>
		<width>64</width>
		<height>48</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
{objects}</annotation>
"""
BLOOD_CELL = """	<object>
		<name>{}</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>{}</xmin>
			<ymin>{}</ymin>
			<xmax>{}</xmax>
			<ymax>{}</ymax>
		</bndbox>
	</object>
"""


def write_blood_cells(root: Path) -> Path:
    """A data set as BCCD is one: numbers with gaps, absolute paths of somebody's computer, four lists, and in two
    files a click taken for a box."""
    cells = [("WBC", 26, 17, 49, 37), ("RBC", 7, 33, 18, 43), ("RBC", 1, 1, 64, 48), ("Platelets", 40, 40, 44, 45)]
    click = ("RBC", 18, 32, 18, 32)
    splits = {"train": [1, 3, 4], "val": [0, 338], "test": [343]}
    (root / "Annotations").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for split, numbers in (splits | {"trainval": [0, 1, 3, 4, 338]}).items():
        lines = "".join(f"BloodImage_{number:05d}\n" for number in numbers)
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(lines)
    for number in (number for of_split in splits.values() for number in of_split):
        name = f"BloodImage_{number:05d}"
        write_image(root / "JPEGImages" / f"{name}.jpg", 64, 48)
        objects = "".join(BLOOD_CELL.format(*cell) for cell in (*cells, *([click] if number > 300 else [])))
        (root / "Annotations" / f"{name}.xml").write_text(BLOOD_CELLS.format(name=name, objects=objects))
    return root


def test_the_layout_of_bccd(tmp_path):
    check = check_data(write_blood_cells(tmp_path / "BCCD"))
    assert check.usable
    assert (check.layout, check.classes) == ("voc", ("Platelets", "RBC", "WBC"))
    assert {split: (count.images, count.boxes, count.by_class) for split, count in check.splits.items()} == {
        "train": (3, 12, (3, 6, 3)),
        "val": (2, 8, (2, 4, 2)),
        "test": (1, 4, (1, 2, 1)),
        "trainval": (5, 20, (5, 10, 5)),
    }  # fmt: skip
    assert sorted(map(str, check.problems)) == [
        "Annotations: box-without-area: 2 in 2 files: Annotations/BloodImage_00343.xml object 5 [18, 32, 18, 32], "
        "Annotations/BloodImage_00338.xml object 5 [18, 32, 18, 32]",
    ]
    record = load_data(tmp_path / "BCCD").splits["val"][0]
    assert record.path.name == "BloodImage_00000.jpg"
    assert record.boxes.tolist() == [[26, 17, 49, 37], [7, 33, 18, 43], [1, 1, 64, 48], [40, 40, 44, 45]]
    assert record.labels.tolist() == [2, 1, 1, 0]
