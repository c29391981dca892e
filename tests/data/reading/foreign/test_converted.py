from __future__ import annotations

import sys

import numpy as np
import pytest
from tests.data.odd.converted import cvat_set, labelme_set, via_set

from torchghm.data import DataError, check_data, load_data, write_data

MADE = {"cvat": cvat_set(subsets=True), "labelme": labelme_set(), "via": via_set()}


@pytest.mark.parametrize("layout", MADE)
def test_a_set_is_told_converted_and_read_again(layout, tmp_path):
    MADE[layout](tmp_path / "data")
    data = load_data(tmp_path / "data")
    assert data.layout == layout
    written = load_data(write_data(data, tmp_path / "coco", to="coco"))
    assert written.classes == data.classes
    for split, records in data.splits.items():
        np.testing.assert_allclose(written.splits[split].boxes, records.boxes, atol=1e-3)
        np.testing.assert_array_equal(written.splits[split].labels, records.labels)


@pytest.mark.parametrize("layout", MADE)
def test_without_the_converter_the_extra_is_named(layout, tmp_path, monkeypatch):
    MADE[layout](tmp_path)
    monkeypatch.setitem(sys.modules, "globox", None)
    with pytest.raises(DataError, match=r"pip install 'torchghm\[formats\]'"):
        load_data(tmp_path)
    assert not check_data(tmp_path).usable


@pytest.mark.parametrize("layout", MADE)
def test_a_stated_size_that_is_not_the_image_s_is_refused(layout, tmp_path):
    MADE[layout](tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.suffix in (".xml", ".json")]
    for file in files:
        file.write_text(file.read_text().replace('width="120"', 'width="240"').replace('h": 120', 'h": 240'))
    found = {problem.what for problem in check_data(tmp_path).problems}
    assert ("size-mismatch" in found) == (layout != "via")  # which states no sizes


def test_two_layouts_in_one_folder_are_not_chosen_from(tmp_path):
    labelme_set()(tmp_path)
    via_set()(tmp_path)
    with pytest.raises(DataError, match="expected one data set, but got several: labelme in .*, via in"):
        load_data(tmp_path)
    assert load_data(tmp_path, layout="via").layout == "via"
