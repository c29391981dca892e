"""Names of classes that annotations call by numbers or codes, as a list beside the annotations has them."""

from __future__ import annotations

import csv
import json
import posixpath
import re
from collections.abc import Iterable, Sequence

from torchghm.data.evidence.class_lists import CLASS_LISTS, CLASS_SUFFIXES, PROPOSED
from torchghm.data.folders.beside import folders_beside
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples

LARGEST_LIST = 2**24  # Open Images describes some 20,000 classes
_NUMBER = re.compile(r"([0-9]{1,6})(\.0+)?")
_CODE = re.compile(r"[0-9]{1,6}|/[a-z]/\w+")
"""Numbers, and codes of Open Images as `/m/01yrx`."""
_CALLED_SO = re.compile(r"class|categor|label[ _-]?map", re.IGNORECASE)
_FIELD = re.compile(r"""(\w+)\s*:\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"',]+))""")
"""A key and its value in a label map of TensorFlow."""
_NUMBERED = re.compile(r"(\d{1,6})\s*[\s:,;=]\s*(\S.*)")

Pairs = list[tuple[str, str]]


def names_of(folder: DataFolder, found: Iterable[str], problems: list[Problem]) -> dict[str, str]:
    """Return the name of each class: its own, or that of its number or code in a list beside the annotations.

    Arguments:
        folder: the data, whose annotations have been read.
        found: the classes as the annotations have them.
        problems: so far; what names are taken, and lists that do not tell, join them.
    """
    found = list(found)
    numbers = [_NUMBER.fullmatch(name) for name in found]
    named = {match[0]: match[1] for match in numbers if match} if all(numbers) else {name: name for name in found}
    codes = sorted(set(named.values()))
    if not codes or not all(map(_CODE.fullmatch, codes)):
        return named
    lists = {file: names for file in _lists(folder) if (names := _names(_pairs(folder, file), codes)) is not None}
    told = list(lists.values())
    if not told:
        return named
    file = next(iter(lists))
    if not told[0] or any(names != told[0] for names in told[1:]):
        detail = f"{examples(map(repr, codes))}, beside {' and '.join(lists)}"
        problems.append(Problem(file, "class-names-unclear", detail, len(codes)))
        return named
    shown = examples(f"{code!r} is {told[0][code]!r}" for code in codes)
    problems.append(Problem(file, "class-names-beside", f"{len(codes)}: {shown}", len(codes)))
    return {name: told[0][code] for name, code in named.items()}


def _lists(folder: DataFolder) -> list[str]:
    """Return files beside the annotations that are called like lists of classes and have not been read."""
    places = [*(place for place in folder.tree() if folder.holds(place)), *folders_beside(folder)]
    files = [
        file
        for place in places
        for file in folder.files(place, (".txt", ".csv", ".json", ".pbtxt", *CLASS_SUFFIXES))
        if file not in folder.read_names
    ]
    return [file for file in files if _is_called_so(posixpath.basename(file).casefold())]


def _is_called_so(name: str) -> bool:
    if name.endswith((".csv", ".json")):
        return _CALLED_SO.search(name) is not None
    return name != PROPOSED and (name in (*CLASS_LISTS, "labels.txt") or not name.endswith(".txt"))


def _pairs(folder: DataFolder, file: str) -> Pairs:
    """Return numbers or codes and names as a list has them, numbers alone empty where it counts by its lines."""
    suffix = posixpath.splitext(file)[1].casefold()
    try:
        text = folder.read_text(file, LARGEST_LIST)
        if suffix == ".csv":
            return _of_columns([[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if any(row)])
        if suffix == ".json":
            content = json.loads(text)
            return _of_columns([[str(key), str(value)] for key, value in content.items()])
    except (FileError, csv.Error, ValueError, AttributeError, RecursionError):
        return []
    if suffix == ".pbtxt":
        items = [
            {key: double or single or plain for key, double, single, plain in _FIELD.findall(item)}
            for item in re.findall(r"\{([^}]*)\}", text)
        ]
        names = [(item, item.get("display_name", item.get("name", "")).strip()) for item in items]
        return [(item[key].strip(), name) for item, name in names for key in ("id", "name") if key in item and name]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    return [(match[1], match[2]) for match in numbered if match] if all(numbered) else [("", line) for line in lines]


def _of_columns(rows: Sequence[Sequence[str]]) -> Pairs:
    """Return code and name of each row, whichever is first; a header is left out."""
    rows = [row[:2] for row in rows if len(row) > 1]
    for code, name in ((0, 1), (1, 0)):
        for some in (rows, rows[1:]):
            if some and all(_CODE.fullmatch(row[code]) and row[name] for row in some):
                return [(row[code], row[name]) for row in some]
    return []


def _names(pairs: Pairs, codes: Sequence[str]) -> dict[str, str] | None:
    """Return the name of each code; nothing if a list leaves open which is which, None if it has not all of them."""
    names = [name for _, name in pairs]
    if pairs and not any(code for code, _ in pairs):
        if not all(code.isdigit() for code in codes) or len(set(names)) < len(names):
            return None
        highest = max(map(int, codes))
        if "0" not in codes and highest < len(names):
            return {}
        pairs = [(str(number), name) for number, name in enumerate(names, start=0 if "0" in codes else 1)]
    by_code = dict(pairs)
    if not set(codes) <= by_code.keys():
        return None
    found = {code: by_code[code] for code in codes}
    return found if len(set(found.values())) == len(found) else {}
