"""COCO's `bbox`, also as tools write it that mean the same, and the box of a mask."""

from __future__ import annotations

from math import isfinite
from typing import Any, TypeGuard

Box = tuple[float, float, float, float]
_KEYS = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))


def read_bbox(bbox: object) -> tuple[Box | None, str]:
    """Return the four numbers of a `bbox`, and how it is written otherwise; or None and the kind of problem.

    Numbers as text, a list in a list and an object with named numbers are the same box without doubt.
    """
    if type(bbox) is list and len(bbox) == 4:  # nearly always
        x, y, width, height = bbox
        if type(x) is float and type(y) is float and type(width) is float and type(height) is float:
            return (x, y, width, height), ""
        if _is_plain(x) and _is_plain(y) and _is_plain(width) and _is_plain(height):
            return (x, y, width, height), ""
    how = ""
    if bbox is None or bbox == []:
        return None, "box-missing"
    if isinstance(bbox, list) and len(bbox) == 1 and isinstance(bbox[0], list):
        bbox, how = bbox[0], "a list in a list"
    if isinstance(bbox, dict):
        keys = next((keys for keys in _KEYS if set(keys) <= set(bbox)), None)
        if keys is not None:
            bbox, how = [bbox[key] for key in keys], "an object"
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None, "box-not-numbers"
    if any(isinstance(value, str) for value in bbox):
        bbox, how = [_from_text(value) if isinstance(value, str) else value for value in bbox], how or "numbers as text"
    if not all(map(is_number, bbox)):
        return None, "box-not-numbers"
    x, y, width, height = map(float, bbox)
    return (x, y, width, height), how


def mask_box(mask: object) -> Box | None:
    """Return x, y, width, height of the box around polygons or a run-length encoding, None if it has none."""
    try:
        if isinstance(mask, list):
            polygons = mask if mask and isinstance(mask[0], list) else [mask]
            xs = [x for polygon in polygons for x in polygon[0::2]]
            ys = [y for polygon in polygons for y in polygon[1::2]]
            if len(xs) != len(ys) or len(xs) < 3:
                return None
            corners = (float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys)))
        elif isinstance(mask, dict):
            corners = _box_of_runs(mask)
        else:
            return None
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return None
    x1, y1, x2, y2 = corners
    return (x1, y1, x2 - x1, y2 - y1) if all(map(isfinite, corners)) and x2 > x1 and y2 > y1 else None


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a number that a float can hold: JSON's whole numbers can be larger than any."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def _is_plain(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def _from_text(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _box_of_runs(mask: dict[str, Any]) -> Box:
    """Return the corners of a mask whose columns are runs of 0 and 1 in turn."""
    height, width = (int(side) for side in mask["size"])
    counts = mask["counts"]
    runs = _uncompressed(counts) if isinstance(counts, str) else [int(run) for run in counts]
    if not 0 < height < 2**31 or not 0 < width < 2**31 or any(run < 0 for run in runs):
        raise ValueError
    start, columns, rows = 0, [], []
    for index, run in enumerate(runs):
        end = start + run
        if index % 2 and run:
            columns += [start // height, (end - 1) // height]
            one_column = start // height == (end - 1) // height
            rows += [start % height, (end - 1) % height] if one_column else [0, height - 1]
        start = end
    if start > height * width:
        raise ValueError
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def _uncompressed(text: str) -> list[int]:
    """Return the runs of COCO's text form: five bits of a number a character, as the difference to the last but one."""
    runs: list[int] = []
    value = shift = 0
    for character in text.encode("ascii"):
        digit = character - 48
        value |= (digit & 0x1F) << shift
        shift += 5
        if shift > 60:
            raise ValueError
        if not digit & 0x20:
            if digit & 0x10:
                value |= -1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    return runs
