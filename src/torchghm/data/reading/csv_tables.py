"""CSV as the tools of TensorFlow, Keras and Open Images write it: a line an object, with image, corners and class."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterator
from math import nan
from typing import NamedTuple

from torchghm.data.assumptions import Assumptions
from torchghm.data.folders.folder import DataFolder
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
    "crowd": ("isgroupof",),
    "split": SPLIT_KEYS,
}
OPEN_IMAGES = {"imageid", "labelname"}
"""Columns of Open Images: its corners are fractions, its images are named without `.jpg`, its groups are crowds."""
KERAS = {"image": 0, "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4, "class": 5}
TENSORFLOW = {"image": 0, "width": 1, "height": 2, "class": 3, "xmin": 4, "ymin": 5, "xmax": 6, "ymax": 7}


class Table(NamedTuple):
    """A CSV file.

    Attributes:
        file: relative to the root.
        columns: which column is what.
        delimiter: what stands between columns.
        has_header: whether the first line names the columns.
        unit: of the corners, "pixels" or "fractions" of the image's sides.
    """

    file: str
    columns: dict[str, int]
    delimiter: str
    has_header: bool
    unit: str = "pixels"


def csv_tables(folder: DataFolder) -> dict[str, Table]:
    """Return the table of each split; empty if there is none.

    Raises:
        FileError: two tables are of one split.
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
    columns = table.columns
    inner = posixpath.dirname(table.file)
    starts = dict.fromkeys((inner, posixpath.join(inner, "images"), *image_folders(folder, split), ""))
    listed = ListedObjects(table.file, tuple(starts))
    for number, cells in _lines(folder, table):
        image, name = cells[columns["image"]], _cell(cells, columns["class"])
        if image not in listed.sizes:
            width, height = (_number(_cell(cells, columns.get(side))) for side in ("width", "height"))
            listed.sizes[image] = (width, height)
        listed.stated.add(image, _cell(cells, columns.get("split")))
        corners = [_number(_cell(cells, columns[corner])) for corner in CORNERS]
        known = sum(corner == corner for corner in corners)
        if not name and not known:
            continue
        if known < 4 or not name:
            listed.note("box-incomplete", f"line {number} {','.join(cells)[:60]!r}")
        crowd = _cell(cells, columns.get("crowd")) == "1"
        box = corners if known and name else None
        listed.objects.append(ListedObject(image, name, box, number, crowd, partly=known < 4))
    return listed


def table_of(folder: DataFolder, file: str) -> Table | None:
    """Return what a CSV file is, None if it is no table of boxes."""
    try:
        found = folder.file(file)
        if found is None:
            return None
        with (folder.root / found).open("rb") as content:
            first = content.readline(4096).decode("utf-8-sig").strip()
    except (FileError, OSError, UnicodeDecodeError):
        return None
    delimiter = max(",;\t", key=first.count)
    cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
    names = [cell.casefold() for cell in cells]
    columns = {
        what: next(names.index(alias) for alias in aliases if alias in names)
        for what, aliases in ALIASES.items()
        if any(alias in names for alias in aliases)
    }
    if {"image", "class", *CORNERS} <= set(columns):
        return Table(file, columns, delimiter, True, "fractions" if set(names) >= OPEN_IMAGES else "pixels")
    for known in (KERAS, TENSORFLOW):
        numbers = [_number(cells[known[corner]]) if len(cells) == len(known) else nan for corner in CORNERS]
        if all(number == number for number in numbers):
            return Table(file, known, delimiter, False)
    return None


def _lines(folder: DataFolder, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a table that name an image, and their numbers."""
    text = folder.read_text(table.file, LARGEST_TABLE)
    reader = csv.reader(text.splitlines(), delimiter=table.delimiter)
    try:
        for number, cells in enumerate(reader, start=1):
            if number == 1 and table.has_header:
                continue
            column = table.columns["image"]
            if len(cells) > column and cells[column].strip():
                if table.unit == "fractions":
                    cells[column] += ".jpg"
                yield number, cells
    except csv.Error as error:
        raise FileError(f"is not CSV that can be read: {error}") from error


def _cell(cells: list[str], column: int | None) -> str:
    return "" if column is None or column >= len(cells) else cells[column].strip()


def _number(text: str) -> float:
    """Return the number that a text is, NaN if it is none."""
    try:
        return nan if "_" in text else float(text)
    except ValueError:
        return nan
