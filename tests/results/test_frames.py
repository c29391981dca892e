"""Columns as a pandas table."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from torchghm.results.frames import data_frame

COLUMNS = {"class": ["cat", "dog"], "ap": np.array([0.5, np.nan])}


def test_columns_keep_their_order_and_one_may_name_the_rows():
    assert list(data_frame(COLUMNS).columns) == ["class", "ap"]
    table = data_frame(COLUMNS, index="class")
    assert list(table.index) == ["cat", "dog"]
    assert table.ap["cat"] == 0.5


def test_without_pandas_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        data_frame(COLUMNS)
