"""Typed fields of a JSON file, with errors that name the file and the field."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from torchghm.printable import printable


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file.

    Raises:
        ValueError: if it is not JSON, or not UTF-8; the message names the file and the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested beyond the parser's depth
        raise ValueError(f"Expected {path} to be JSON in UTF-8, but got: {error}") from error


class Fields:
    """The fields of one JSON object; each getter checks its type and says where it failed.

    Arguments:
        path: the file, for messages.
        data: the object, as it was read.
        where: the object's place in the file, for messages.

    Raises:
        ValueError: from the constructor and every getter, naming file, field, what was expected and what came.
    """

    def __init__(self, path: Path, data: Any, where: str = "") -> None:
        self.path, self.where = path, where
        if not isinstance(data, dict):
            raise self.error(where or "the file", "an object", data)
        self.data: dict[str, Any] = data

    def error(self, key: str, expected: str, came: Any) -> ValueError:
        """Return the error for a field that is not as expected."""
        shown = repr(came)
        return ValueError(
            f"Expected {key} in {self.path} to be {expected}, but got {shown if len(shown) <= 80 else shown[:79] + '…'}"
        )

    def _name(self, key: str) -> str:
        return f"`{self.where}.{key}`" if self.where else f"`{key}`"

    def has(self, key: str) -> bool:
        """Return whether a field is there and not null."""
        return self.data.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string, made printable; `default` where it is missing."""
        value = self.data.get(key, default)
        if not isinstance(value, str):
            raise self.error(self._name(key), "a string", value)
        return printable(value)

    def number(self, key: str) -> float | None:
        """Return a finite number; None where it is missing or null."""
        return self._finite(self._name(key), self.data.get(key))

    def numbers(self, key: str) -> dict[str, float | None]:
        """Return an object of finite numbers or nulls; its keys are made printable."""
        items = self.object(key).data.items()
        return {printable(name): self._finite(f"{self._name(key)}[{name!r}]", value) for name, value in items}

    def number_list(self, key: str, length: int | None = None) -> list[float | None]:
        """Return a list of finite numbers or nulls, of `length` if given."""
        values = self.array(key)
        if length is not None and len(values) != length:
            raise self.error(self._name(key), f"a list of {length} numbers", values)
        return [self._finite(f"{self._name(key)}[{index}]", value) for index, value in enumerate(values)]

    def array(self, key: str) -> list[Any]:
        """Return a list."""
        value = self.data.get(key)
        if not isinstance(value, list):
            raise self.error(self._name(key), "a list", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings, made printable."""
        values = self.array(key)
        if not all(isinstance(value, str) for value in values):
            raise self.error(self._name(key), "a list of strings", values)
        return tuple(printable(value) for value in values)

    def object(self, key: str) -> Fields:
        """Return an object; an empty one where it is missing or null."""
        value = self.data.get(key)
        return Fields(self.path, {} if value is None else value, f"{self.where}.{key}" if self.where else key)

    def objects(self, key: str) -> list[Fields]:
        """Return a list of objects."""
        where = f"{self.where}.{key}" if self.where else key
        return [Fields(self.path, value, f"{where}[{index}]") for index, value in enumerate(self.array(key))]

    def inside(self, key: str) -> Path:
        """Return a path relative to the file's folder; one that leaves the folder is refused."""
        relative = self.data.get(key)
        root = self.path.parent.resolve()
        if isinstance(relative, str) and "\0" not in relative and (root / relative).resolve().is_relative_to(root):
            return self.path.parent / relative
        raise self.error(self._name(key), "a path inside the folder", relative)

    def _finite(self, name: str, value: Any) -> float | None:
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, (bool, str)) else float(value)
        except (TypeError, OverflowError):  # no number, or an integer beyond any float
            number = math.nan
        if not math.isfinite(number):
            raise self.error(name, "a finite number or null", value)
        return number
