"""Recognise the columns of a table by all of its lines, where no header, or more than one of its names, tells them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from torchghm.data.splitting.split_names import SPLIT_NAMES, is_split

Rows = Sequence[Sequence[str]]

KERAS = {"image": 0, "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4, "class": 5}
CLASS_FIRST = {"image": 0, "class": 1, "xmin": 2, "ymin": 3, "xmax": 4, "ymax": 5}
ALMOST_ALL = 0.98
ASKED = 10_000
"""Lines that are asked."""


def without_header(rows: Rows) -> dict[str, int]:
    """Return which column is what in lines of six: the class is the last one, or the one after the image.

    Where all are numbers, `image,1,49,53,111,97` can be a class and two corners, but hardly two corners and a class,
    which would have to be a larger number than the corner before it, in every line.
    """
    table = _numbers(rows)
    table = table[np.isfinite(table[:, 1:4]).all(axis=1)]
    if not len(table):
        return KERAS
    if np.isfinite(table[:, 0]).mean() < 1 - ALMOST_ALL:
        return CLASS_FIRST
    table = table[np.isfinite(table).all(axis=1)] if np.isfinite(table).all(axis=1).mean() >= ALMOST_ALL else table[:0]
    if not len(table) or (table[:, 0] < 0).any() or (table[:, 0] != np.round(table[:, 0])).any():
        return KERAS
    in_order = (table[:, 1] < table[:, 3]) & (table[:, 2] < table[:, 4])
    return CLASS_FIRST if in_order.mean() >= ALMOST_ALL else KERAS


def class_column(rows: Rows, columns: Sequence[int]) -> int:
    """Return the column of the classes among several that are called so: the first that has names, not numbers."""
    for column in columns:
        cells = [row[column] for row in rows[:ASKED] if column < len(row) and row[column].strip()]
        if cells and any(isnan(number_of(cell)) for cell in cells):
            return column
    return columns[0]


def split_column(rows: Rows, taken: Sequence[int]) -> int | None:
    """Return the column that has names of splits alone, at least two, whatever it is called; None if there is none."""
    width = max(map(len, rows), default=0)
    for column in range(width):
        if column not in taken:
            cells = {row[column].strip() for row in rows if column < len(row)} - {""}
            if 1 < len(cells) <= len(SPLIT_NAMES) and all(map(is_split, cells)):
                return column
    return None


def number_of(text: str) -> float:
    """Return the number that a text is, also one with a comma for its point, NaN if it is none."""
    if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", text):
        text = text.replace(",", ".")
    try:
        return nan if "_" in text else float(text)
    except ValueError:
        return nan


def _numbers(rows: Rows) -> NDArray[np.float64]:
    """Return what follows the image, of lines evenly drawn."""
    some = [row for row in rows[:: max(1, len(rows) // ASKED)] if len(row) == len(KERAS)]
    return np.array([[number_of(cell) for cell in row[1:]] for row in some], np.float64).reshape(-1, len(KERAS) - 1)
