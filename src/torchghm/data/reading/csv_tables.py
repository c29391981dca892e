"""CSV as the tools of TensorFlow, Keras and Open Images write it: a line an object, with image, corners and class."""

from __future__ import annotations

import csv
import posixpath
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from math import nan
from typing import NamedTuple

from torchghm.data.assumptions import Assumptions
from torchghm.data.evidence.table_columns import CLASS_FIRST, KERAS, class_column, number_of, without_header
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError, Problem, reported
from torchghm.data.reading.coco_places import image_folders
from torchghm.data.reading.listed_objects import ListedObject, ListedObjects, listed_records
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.split_names import split_of, split_of_path
from torchghm.data.splitting.splits import in_split_order
from torchghm.data.splitting.stated_splits import SPLIT_KEYS

LOOKED_FOR = "CSV files with the columns filename, class, xmin, ymin, xmax, ymax, or of lines image,x1,y1,x2,y2,class"
LARGEST_TABLE = 256 * 2**20
CORNERS = ("xmin", "ymin", "xmax", "ymax")
ALIASES = {
    "image": ("filename", "file_name", "image", "image_path", "image_name", "path", "file", "imagename", "imageid"),
    "class": ("class", "label", "class_name", "name", "category", "labelname"),
    "xmin": ("xmin", "x1", "x_min", "left"),
    "ymin": ("ymin", "y1", "y_min", "top"),
    "xmax": ("xmax", "x2", "x_max", "right"),
    "ymax": ("ymax", "y2", "y_max", "bottom"),
    "width": ("width",),
    "height": ("height",),
    "crowd": ("isgroupof", "iscrowd", "is_crowd", "difficult"),
    "split": SPLIT_KEYS,
    "validates": ("is_valid", "is_val", "is_validation"),
}
OPEN_IMAGES = {"imageid", "labelname"}
"""Columns of Open Images: its corners are fractions, its images are named without `.jpg`, its groups are crowds."""
TENSORFLOW = {"image": 0, "width": 1, "height": 2, "class": 3, "xmin": 4, "ymin": 5, "xmax": 6, "ymax": 7}


FIRST_LINES = 20
"""Lines that are looked at for one with an object."""
NOTHING = ("", "nan", "none", "null")
"""Classes in lines without an object."""
NEGATIVE = ("background", "negative", *NOTHING)
"""Classes in lines of zeros for an image without objects."""


YES = ("1", "1.0", "true")


class Table(NamedTuple):
    """A CSV file.

    Attributes:
        file: relative to the root.
        columns: which column is what.
        delimiter: what stands between columns.
        has_header: whether the first line names the columns.
        unit: of the corners, "pixels" or "fractions" of the image's sides.
        classes: all columns that may be the class.
    """

    file: str
    columns: dict[str, int]
    delimiter: str
    has_header: bool
    unit: str = "pixels"
    classes: tuple[int, ...] = ()


def csv_tables(folder: DataFolder) -> dict[str, Table]:
    """Return the table of each split; empty if there is none.

    Raises:
        FileError: two tables are of one split, or one is of none beside others.
    """
    by_split: dict[str, list[Table]] = {}
    for place in folder.tree():
        for file in folder.files(place, (".csv",)) if folder.holds(place) else ():
            if (table := table_of(folder, file)) is not None:
                split = split_of(posixpath.basename(file)) or split_of_path(place) or "all"
                by_split.setdefault(split, []).append(table)
    for split, tables in by_split.items():
        if len(tables) > 1:
            files = ", ".join(table.file for table in tables)
            raise FileError(f"expected one table of {split!r}, but got {files}", "duplicate-split")
    if len(by_split) > 1 and "all" in by_split:
        raise FileError(f"expected all tables to be called after splits, but got {by_split['all'][0].file}")
    return in_split_order({split: tables[0] for split, tables in by_split.items()})


def read_csv(
    folder: DataFolder, assumptions: Assumptions, problems: list[Problem]
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes and splits of a folder of tables; what is wrong joins the problems.

    Classes are in alphabetical order. An image without objects has a line with its name alone.
    """
    listed: dict[str, ListedObjects] = {}
    annotations = {}
    for split, table in csv_tables(folder).items():
        with reported(problems, table.file):
            listed[split] = _listed(folder, split, table)
        annotations[split] = Annotations(folder.root, "line", ("xyxy", table.unit), assumptions)
    return listed_records(folder, listed, annotations, problems)


def _listed(folder: DataFolder, split: str, table: Table) -> ListedObjects:
    """Return the images and objects of a table."""
    rows = list(_lines(folder, table))
    columns = _told_by_all(table, [cells for _, cells in rows])
    inner = posixpath.dirname(table.file)
    starts = dict.fromkeys((inner, posixpath.join(inner, "images"), *image_folders(folder, split), ""))
    listed = ListedObjects(table.file, tuple(starts))
    if columns is CLASS_FIRST:
        listed.note("line-in-other-form", f"all {len(rows)} lines are taken for image, class, x1, y1, x2, y2")
    of_stem = _images_by_stem(folder, starts) if table.unit == "fractions" else {}
    for number, cells in rows:
        image, name = cells[columns["image"]], _cell(cells, columns["class"])
        if table.unit == "fractions":
            image = image if image.lower().endswith(SUFFIXES) else of_stem.get(image, f"{image}.jpg")
        if image not in listed.sizes:
            width, height = (number_of(_cell(cells, columns.get(side))) for side in ("width", "height"))
            listed.sizes[image] = (width, height)
        listed.stated.add(image, _split(cells, columns))
        corners = [number_of(_cell(cells, columns[corner])) for corner in CORNERS]
        known = sum(corner == corner for corner in corners)
        if (not known and name.casefold() in NOTHING) or (name.casefold() in NEGATIVE and not any(corners)):
            continue
        if any("," in _cell(cells, columns[corner]) for corner in CORNERS):
            listed.note("box-in-other-form", f"line {number} {table.delimiter.join(cells)[:60]!r}")
        if known < 4 or not name:
            listed.note("box-incomplete", f"line {number} {','.join(cells)[:60]!r}")
        crowd = _cell(cells, columns.get("crowd")).casefold() in YES
        box = corners if known and name else None
        listed.objects.append(ListedObject(image, name, box, number, crowd, partly=known < 4))
    return listed


def table_of(folder: DataFolder, file: str) -> Table | None:
    """Return what a CSV file is, None if it is no table of boxes."""
    try:
        found = folder.file(file)
        if found is None:
            return None
        wide = folder.head(found, 2) in (BOM_UTF16_LE, BOM_UTF16_BE)
        with (folder.root / found).open(encoding="utf-16" if wide else "utf-8-sig", errors="replace") as content:
            lines = [content.readline(4096).strip() for _ in range(FIRST_LINES)]
    except (FileError, OSError):
        return None
    # The first images may have no objects.
    first = next((line for line in lines if not re.fullmatch(r"[^,;\t]*([,;\t])\1*", line)), lines[0])
    delimiter = max(",;\t", key=first.count)
    cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
    names = [cell.casefold() for cell in cells]
    columns = {
        what: next(names.index(alias) for alias in aliases if alias in names)
        for what, aliases in ALIASES.items()
        if any(alias in names for alias in aliases)
    }
    if {"image", "class", *CORNERS} <= set(columns):
        classes = tuple(names.index(alias) for alias in ALIASES["class"] if alias in names)
        unit = "fractions" if set(names) >= OPEN_IMAGES else "pixels"
        return Table(file, columns, delimiter, True, unit, classes)
    for known in (KERAS, CLASS_FIRST, TENSORFLOW):
        numbers = [number_of(cells[known[corner]]) if len(cells) == len(known) else nan for corner in CORNERS]
        if all(number == number for number in numbers):
            return Table(file, known, delimiter, False)
    return None


def _told_by_all(table: Table, rows: list[list[str]]) -> dict[str, int]:
    """Return which column is what, as far as all lines tell more than the first."""
    if table.columns in (KERAS, CLASS_FIRST) and not table.has_header:
        return without_header(rows)
    if len(table.classes) > 1:
        return table.columns | {"class": class_column(rows, table.classes)}
    return table.columns


def _images_by_stem(folder: DataFolder, starts: Iterable[str]) -> dict[str, str]:
    """Return the names of images by what Open Images calls them."""
    files = [file for start in starts for file in folder.files(start, SUFFIXES)]
    return {posixpath.splitext(posixpath.basename(file))[0]: posixpath.basename(file) for file in reversed(files)}


def _lines(folder: DataFolder, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a table that name an image, and their numbers."""
    text = folder.read_text(table.file, LARGEST_TABLE)
    lines = text.splitlines()
    spaced = f"{table.delimiter} " in "".join(lines[:1])
    reader = csv.reader(lines, delimiter=table.delimiter, skipinitialspace=spaced)
    try:
        for number, cells in enumerate(reader, start=1):
            if number == 1 and table.has_header:
                continue
            column = table.columns["image"]
            if len(cells) > column and cells[column].strip():
                yield number, cells
    except csv.Error as error:
        raise FileError(f"is not CSV that can be read: {error}") from error


def _cell(cells: list[str], column: int | None) -> str:
    return "" if column is None or column >= len(cells) else cells[column].strip()


def _split(cells: list[str], columns: dict[str, int]) -> str:
    """Return the split that a line states: by name, or by a flag of the images to judge by."""
    if "split" in columns or "validates" not in columns:
        return _cell(cells, columns.get("split"))
    return "val" if _cell(cells, columns["validates"]).casefold() in YES else "train"
