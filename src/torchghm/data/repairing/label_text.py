"""Lines of label files that are not plain numbers, but mean them without doubt."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def numbers_of(line: str, classes: Sequence[str]) -> tuple[list[float], str] | None:
    """Return the numbers that a line stands for, and how it is written; None if that is not clear.

    Arguments:
        line: `0,0.5,0.5,0.1,0.1`, `0 0,5 0,5 0,1 0,1` or `cat 0.5 0.5 0.1 0.1`.
        classes: names; one at the beginning stands for its number.
    """
    how = []
    text = line.strip()
    number = _class_at_the_beginning(text, classes)
    if number is not None:
        name, text = number
        how.append("a class name for its number")
    words = text.split()
    if ";" in text:
        words = [word.strip().replace(",", ".") for word in text.strip(";").split(";")]
        how.append("semicolons for blanks")
    elif any(_DECIMAL_COMMA.fullmatch(word) for word in words) and len(words) + len(how) >= 5:
        words = [word.replace(",", ".") for word in words]
        how.append("commas for decimal points")
    elif "," in text:
        words = [word for word in re.split(r"[,\s]+", text) if word]
        how.append("commas for blanks")
    if not how or not words or not all(_NUMBER.fullmatch(word) for word in words):
        return None
    values = [float(word) for word in words]
    return ([float(name), *values] if number is not None else values), " and ".join(how)


def _class_at_the_beginning(text: str, classes: Sequence[str]) -> tuple[int, str] | None:
    """Return the number of the class whose name a line begins with, and the rest of the line."""
    plain = text.lstrip("\"'").casefold()
    fitting = [
        (len(name), number)
        for number, name in enumerate(classes)
        if not _NUMBER.fullmatch(name) and re.match(re.escape(name.casefold()) + r"[\"'\s,;]", plain)
    ]
    if not fitting:
        return None
    fitting.sort(reverse=True)
    length, number = fitting[0]
    if len(fitting) > 1 and fitting[1][0] == length:  # names that differ by case alone
        return None
    return number, text.lstrip("\"'")[length:].lstrip("\"',; \t")
