"""Ids of COCO files: whole numbers, or what other tools make of them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from torchghm.data.problems import FileError


class Ids:
    """The ids of images or categories.

    20.0 and "20" are 20, as long as no two ids become one by that. Any other text is an id too.

    Arguments:
        values: as the file has them.
        where: the key that they are under.

    Attributes:
        repeated: those that occur twice.
        numbers: a whole number for each: its own, or a running one if some are no numbers.

    Raises:
        FileError: something that is no id.
    """

    def __init__(self, values: list[Any], where: str) -> None:
        for value in values:
            if not _is_id(value):
                got = "no id" if value is None else f"{type(value).__name__} {str(value)[:20]!r}"
                raise FileError(f"expected whole numbers as ids in {where!r}, or text, but got {got}")
        self.repeated = [value for value, times in Counter(values).items() if times > 1]
        self._kinds = {type(value) for value in values}
        self._by_value = {value: index for index, value in enumerate(values)}
        numbers = [_number(value) for value in values]
        plain = [number for number in numbers if number is not None]
        unique = len(plain) == len(values) and len(set(plain)) == len(set(values))
        self.numbers = plain if unique else list(range(1, len(values) + 1))
        self.are_numbers = unique
        self._by_number = {number: index for index, number in enumerate(plain)} if unique else {}

    def find(self, value: Any) -> tuple[int, bool]:
        """Return the index of an id, -1 if there is none, and whether it is written as another type."""
        if type(value) in self._kinds:  # nearly always
            index = self._by_value.get(value)
            if index is not None:
                return index, False
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return -1, False
        index = self._by_value.get(value)
        if index is None:
            number = _number(value)
            index = None if number is None else self._by_number.get(number)
        return (-1, False) if index is None else (index, type(value) not in self._kinds)


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return _number(value) is not None


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value == value and abs(value) < 2**53 and value.is_integer() else None
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value) else None
    return value if isinstance(value, int) and abs(value) < 2**63 else None
