from __future__ import annotations

import json

import pytest
from tests.data.layouts import write_coco, write_exported_coco, write_voc, write_yolo
from tests.data.odd.sets import ALL, coco, picture, write, xml

from torchghm.data import DataError, load_data
from torchghm.data.recognising import further_layouts, recognise

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("place", ["", "inner", "two/levels"])
def test_a_set_is_found_where_it_is(tmp_path, layout, place):
    WRITERS[layout](tmp_path / "data" / place)
    folder, found = recognise(tmp_path / "data", None)
    assert (folder.root, found) == (tmp_path / "data" / place, layout)


def test_images_above_do_not_make_parts_of_a_whole_set(tmp_path):
    write_voc(tmp_path / "birds 2024")
    picture(tmp_path / "preview.jpg")
    picture(tmp_path / "images/q.jpg")
    assert recognise(tmp_path, None)[0].root == tmp_path / "birds 2024"


def test_annotations_below_join_the_images_above(tmp_path):
    for stem in ALL:
        picture(tmp_path / f"archive/images/{stem}.jpg")
        write(tmp_path / f"archive/marks/{stem}.xml", xml(stem))
    folder, layout = recognise(tmp_path, None)
    assert (folder.root, layout, folder.parts) == (tmp_path / "archive", "voc", {"marks"})


def test_annotations_without_any_image_are_refused_where_they_are(tmp_path):
    write(tmp_path / "marks/all.json", json.dumps(coco(ALL)))
    assert recognise(tmp_path, None)[0].root == tmp_path / "marks"
    with pytest.raises(DataError, match="missing-image"):
        load_data(tmp_path)


def test_several_sets_are_refused_by_name(tmp_path):
    for place in ("a", "b"):
        write_exported_coco(tmp_path / place)
    with pytest.raises(DataError, match="one data set, but got several: coco in .*a, coco in .*b; name the folder"):
        recognise(tmp_path, None)


def test_folders_of_cameras_are_one_set_within_images(tmp_path):
    for number, stem in enumerate(ALL):
        picture(tmp_path / f"cam{number % 2}/{stem}.jpg")
        write(tmp_path / f"cam{number % 2}/{stem}.xml", xml(stem))
    with pytest.raises(DataError, match="voc in .*cam0, voc in .*cam1.*move them all into a folder called images"):
        recognise(tmp_path, None)
    for number in (0, 1):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / f"cam{number}").rename(tmp_path / f"images/cam{number}")
    assert sum(map(len, load_data(tmp_path).splits.values())) == len(ALL)


def test_only_the_named_layout_is_looked_for(tmp_path):
    write_voc(tmp_path)
    write(tmp_path / "annotations/instances_train.json", json.dumps(coco(ALL)))
    assert recognise(tmp_path, "voc")[1] == "voc"
    with pytest.raises(DataError, match="looked for yolo: data.yaml"):
        recognise(tmp_path, "yolo")


def test_a_layout_of_another_tool_keeps_its_name(tmp_path):
    picture(tmp_path / "frames/a.jpg")
    write(tmp_path / "labels_2/a.txt", "cat 0.00 0 -1.57 5.00 15.00 45.00 60.00 1.5 1.6 3.9 1.8 1.5 8.4 0.01\n")
    write(tmp_path / "classes.txt", "cat\n")
    with pytest.raises(DataError, match="looks like KITTI's label files"):
        recognise(tmp_path, None)


def test_a_further_layout_that_is_not_read_is_a_note(tmp_path):
    write_yolo(tmp_path)
    write(tmp_path / "annotations.json", json.dumps(coco(ALL)))
    (problem,) = load_data(tmp_path, strict=True).problems
    assert (problem.what, problem.detail) == ("other-layout", "coco beside yolo")


@pytest.mark.parametrize("layout", WRITERS)
def test_a_plain_set_has_no_further_layout(tmp_path, layout):
    WRITERS[layout](tmp_path)
    assert further_layouts(*recognise(tmp_path, None)) == []
