from __future__ import annotations

import pytest

from torchghm.data.problems import FileError
from torchghm.data.reading.coco.ids import Ids


def test_numbers_of_any_type_are_one_id():
    ids = Ids([1, 20, 3], "images")
    assert ids.numbers == [1, 20, 3]
    assert ids.find(20) == (1, False)
    assert ids.find(20.0) == (1, True)
    assert ids.find("20") == (1, True)
    assert Ids(["0001", "0020"], "images").find(20) == (1, True)


def test_text_is_an_id_of_its_own_and_gets_a_running_number():
    ids = Ids(["2007_000027", "2007_000032", 7], "images")
    assert ids.numbers == [1, 2, 3]
    assert ids.find("2007_000032") == (1, False)
    assert ids.find(7) == (2, False)
    assert ids.find("7") == (-1, False)


def test_texts_that_are_equal_as_numbers_stay_apart():
    ids = Ids(["1", "01"], "images")
    assert [ids.find(value)[0] for value in ("1", "01", 1)] == [0, 1, -1]


@pytest.mark.parametrize("value", [None, True, [1], {}, 1.5, float("nan"), float("inf"), 10**30, "", " "])
def test_what_is_no_id_is_refused(value):
    with pytest.raises(FileError, match="whole numbers as ids in 'images', or text"):
        Ids([1, value], "images")
    assert Ids([1, 2], "images").find(value) == (-1, False)


def test_repeated_ids():
    assert Ids([1, 2, 1.0, "2"], "images").repeated == [1]
