from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem
from torchghm.data.reading.foreign.converted_files import Annotated, read_file


def read(layout: str, root: Path, content: str | dict[str, Any]) -> tuple[list[Annotated], list[Problem]]:
    (root / "file").write_text(content if isinstance(content, str) else json.dumps(content))
    problems: list[Problem] = []
    return read_file(layout, DataFolder(root), "file", problems), problems


def labelme(*shapes: tuple[str, str, list[list[float]]]) -> dict[str, Any]:
    listed = [{"label": label, "shape_type": kind, "points": points} for kind, label, points in shapes]
    return {"imagePath": "a.png", "imageWidth": 40, "imageHeight": 30, "shapes": listed}


def via(*regions: dict[str, str]) -> dict[str, Any]:
    shape = {"name": "rect", "x": 1, "y": 2, "width": 10, "height": 20}
    listed = [{"shape_attributes": shape, "region_attributes": attributes} for attributes in regions]
    return {"a.png1": {"filename": "a.png", "size": 1, "regions": listed}}


def test_cvat_states_sides_and_split_and_turned_boxes_are_named(tmp_path):
    box = '<box label="ant" xtl="1" ytl="2" xbr="11" ybr="12"'
    image = f'<image name="a.png" subset="val" width="40" height="30">{box}/>{box} rotation="30"/><tag/></image>'
    (image,), (problem,) = read("cvat", tmp_path, f"<annotations>{image}</annotations>")
    assert image[:3] == ("a.png", "val", ("40", "30"))
    assert image.boxes == [("ant", (1, 2, 11, 12), False)]
    assert (problem.what, problem.count, problem.detail) == ("shapes-not-read", 1, "1 of 2: 1 of 'rotated box'")


def test_labelme_has_rectangles_and_polygons(tmp_path):
    rectangle = ("rectangle", "ant", [[1.0, 2], [11, 12]])
    polygon = ("polygon", "bee", [[1.0, 2], [5, 12], [11, 4]])
    (image,), (problem,) = read("labelme", tmp_path, labelme(rectangle, polygon, ("circle", "cow", [[3.0, 3], [4, 4]])))
    assert image.boxes == [("ant", (1, 2, 11, 12), False), ("bee", (1, 2, 11, 12), False)]
    assert (image.sides, image.unread, problem.detail) == ((40, 30), ["circle"], "1 of 3: 1 of 'circle'")


def test_via_classes_are_the_attribute_of_all_regions(tmp_path):
    (image,), problems = read("via", tmp_path, via({"type": "ant", "note": "x"}, {"type": "bee"}))
    assert image.boxes == [("ant", (1, 2, 11, 22), False), ("bee", (1, 2, 11, 22), False)]
    assert not problems
    with pytest.raises(FileError, match="one attribute of all regions that names their class, but got type, label"):
        read("via", tmp_path, via({"type": "ant", "label": "x"}))
    with pytest.raises(FileError, match="regions without an attribute"):
        read("via", tmp_path, via({"type": "ant"}, {}))


@pytest.mark.parametrize(
    ("layout", "content", "says"),
    [
        ("cvat", "<annotations>", "is not XML"),
        ("cvat", "<annotations><track/></annotations>", "tracks of a video"),
        ("labelme", "{", "is not JSON"),
        ("labelme", {"shapes": 3}, "keys 'shapes' and 'imagePath'"),
        ("labelme", labelme(("rectangle", "ant", [])), "is refused by globox"),
        ("via", {"a.png1": {"filename": "a.png", "regions": 3}}, "a list of 'regions' for 'a.png1', but got int"),
        ("via", [1], "an object with 'filename' and 'regions'"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, layout, content, says):
    with pytest.raises(FileError, match=says):
        read(layout, tmp_path, content if isinstance(content, str) else json.dumps(content))


def grouped(*groups: object, kind: str = "polygon") -> dict[str, Any]:
    """Shapes side by side, the first two of one class, of these groups."""
    shapes = [
        (
            kind,
            "ant" if at < 2 else "bee",
            [[10 * at, 2], [10 * at + 8, 2 + at]] + [[10 * at + 4, 9]] * (kind != "rectangle"),
        )
        for at in range(len(groups))
    ]
    content = labelme(*shapes)
    for shape, group in zip(content["shapes"], groups, strict=True):
        shape["group_id"] = group
    return content


def test_polygons_of_a_class_and_group_are_parts_of_one_object(tmp_path):
    (image,), (problem,) = read("labelme", tmp_path, grouped(1, 1, 1, None))
    assert image.boxes == [
        ("ant", (0, 2, 18, 9), False),
        ("bee", (20, 2, 28, 9), False),
        ("bee", (30, 2, 38, 9), False),
    ]
    assert (problem.what, problem.count, problem.detail) == ("parts-joined", 1, "1 shapes have the group of another")


@pytest.mark.parametrize(
    "content", [grouped(None, None, None), grouped(1, 2, 2), grouped(0, 0, 0), grouped(1, 1, 2, kind="rectangle")]
)
def test_other_shapes_are_objects_of_their_own(tmp_path, content):
    (image,), problems = read("labelme", tmp_path, content)
    assert len(image.boxes) == 3
    assert problems == []
