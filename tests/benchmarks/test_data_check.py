"""The data sets that `data check` is timed on hold what they say."""

import pytest
from benchmarks.data_check import LAYOUTS, OBJECTS, write

from torchghm.data import check_data


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_object_is_read_and_no_problem_found(tmp_path, layout):
    write(tmp_path / layout, layout, 20)
    found = check_data(tmp_path / layout)
    assert found.usable
    assert not found.problems
    assert sum(split.boxes for split in found.splits.values()) == 20 * OBJECTS
