from __future__ import annotations

import pytest

from torchghm.data.evidence.table_headers import CROWDS, columns_called, columns_of, is_of_open_images


@pytest.mark.parametrize(
    "header",
    [
        "image_id,class_name,x_min,y_min,x_max,y_max",
        "Image ID,Class,X1,Y1,X2,Y2",
        "Filename,ClassId,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2",
        "img_path,label,bbox_xmin,bbox_ymin,bbox_xmax,bbox_ymax",
    ],
)
def test_names_are_compared_without_case_blanks_and_signs(header):
    columns = {"image": 0, "class": 1, "xmin": 2, "ymin": 3, "xmax": 4, "ymax": 5}
    assert columns_of(header.split(",")) == columns


@pytest.mark.parametrize("header", ["image,class,x,y,w,h", "image,xmin,ymin,xmax,ymax", "a,b"])
def test_other_headers_are_none_of_boxes(header):
    assert columns_of(header.split(",")) is None


def test_every_column_that_marks_objects_counts():
    assert columns_called(["image", "IsGroupOf", "difficult"], CROWDS) == (1, 2)


def test_open_images_is_told_by_its_own_names_alone():
    assert is_of_open_images(["ImageID", "LabelName", "XMin"])
    assert not is_of_open_images(["image_id", "label_name", "x_min"])
