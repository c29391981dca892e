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
from torchghm.data.evidence.table_columns import (
    CLASS_FIRST,
    KERAS,
    class_column,
    number_of,
    split_column,
    without_header,
)
from torchghm.data.evidence.table_headers import (
    CLASSES,
    CORNERS,
    CROWDS,
    columns_called,
    columns_of,
    is_of_open_images,
)
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError, Problem, reported
from torchghm.data.reading.coco.places import image_folders
from torchghm.data.reading.listed_objects import ListedObject, ListedObjects, listed_records
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.split_names import split_of, split_of_path
from torchghm.data.splitting.splits import in_split_order

LOOKED_FOR = "CSV files with the columns filename, class, xmin, ymin, xmax, ymax, or of lines image,x1,y1,x2,y2,class"
LARGEST_TABLE = 256 * 2**20
SUFFIXES_OF_TABLES = (".csv", ".tsv")
TENSORFLOW = {"image": 0, "width": 1, "height": 2, "class": 3, "xmin": 4, "ymin": 5, "xmax": 6, "ymax": 7}
WITH_SIZE = KERAS | {"width": 6, "height": 7}
"""Columns of SKU-110K: Keras's, and the size of the image behind them."""

FIRST_LINES = 20
"""Lines that are looked at for one with an object."""
NOTHING = ("", "nan", "none", "null")
"""Classes in lines without an object."""
NEGATIVE = ("background", "negative", "no finding", *NOTHING)
"""Classes in lines of zeros, or without a corner, for an image without objects."""
YES = ("1", "1.0", "true", "yes")


class Table(NamedTuple):
    """A CSV file.

    Attributes:
        file: relative to the root.
        columns: which column is what.
        delimiter: what stands between columns.
        has_header: whether the first line names the columns.
        unit: of the corners, "pixels" or "fractions" of the image's sides.
        classes: all columns that may be the class.
        crowds: all columns that mark objects that are not learned.
    """

    file: str
    columns: dict[str, int]
    delimiter: str
    has_header: bool
    unit: str = "pixels"
    classes: tuple[int, ...] = ()
    crowds: tuple[int, ...] = ()


def csv_tables(folder: DataFolder) -> dict[str, Table]:
    """Return the table of each split; empty if there is none.

    Raises:
        FileError: two tables are of one split, or one is of none beside others.
    """
    by_split: dict[str, list[Table]] = {}
    for place in folder.tree():
        for file in folder.files(place, SUFFIXES_OF_TABLES) if folder.holds(place) else ():
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
    of_stem = _images_by_stem(folder, starts)
    for number, cells in rows:
        image, name = _cell(cells, columns["image"]), _cell(cells, columns["class"])
        if not _is_image(image):
            image = of_stem.get(image, image if table.unit == "pixels" else f"{image}.jpg")
        if image not in listed.sizes:
            width, height = (number_of(_cell(cells, columns.get(side))) for side in ("width", "height"))
            listed.sizes[image] = (width, height)
        listed.stated.add(image, _split(cells, columns))
        corners = [number_of(_cell(cells, columns[corner])) for corner in CORNERS]
        known = sum(corner == corner for corner in corners)
        if name.casefold() in NEGATIVE and (not known or not any(corners)):
            continue
        if any("," in _cell(cells, columns[corner]) for corner in CORNERS):
            listed.note("box-in-other-form", f"line {number} {table.delimiter.join(cells)[:60]!r}")
        if known < 4 or not name:
            listed.note("box-incomplete", f"line {number} {','.join(cells)[:60]!r}")
        crowd = any(_cell(cells, column).casefold() in YES for column in table.crowds)
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
            lines = lines[1:] if _is_of_excel(lines[0]) else lines
    except (FileError, OSError):
        return None
    # The first images may have no objects.
    first = next((line for line in lines if not re.fullmatch(r"[^,;\t]*([,;\t])\1*", line)), lines[0])
    delimiter = max(",;\t", key=first.count)
    cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
    if (columns := columns_of(cells)) is not None:
        unit = "fractions" if is_of_open_images(cells) else "pixels"
        return Table(
            file, columns, delimiter, True, unit, columns_called(cells, CLASSES), columns_called(cells, CROWDS)
        )
    for known in (KERAS, CLASS_FIRST, TENSORFLOW, WITH_SIZE):
        numbers = [number_of(cells[known[corner]]) if len(cells) == len(known) else nan for corner in CORNERS]
        if all(number == number for number in numbers) and (known is not WITH_SIZE or _is_image(cells[0])):
            return Table(file, known, delimiter, False)
    return None


def _told_by_all(table: Table, rows: list[list[str]]) -> dict[str, int]:
    """Return which column is what, as far as all lines tell more than the first."""
    if table.columns in (KERAS, CLASS_FIRST) and not table.has_header:
        return without_header(rows)
    columns = table.columns
    if len(table.classes) > 1:
        columns = columns | {"class": class_column(rows, table.classes)}
    if table.has_header and not columns.keys() & {"split", "validates", "trains"}:
        of_split = split_column(rows, (*columns.values(), *table.classes))
        columns = columns if of_split is None else columns | {"split": of_split}
    return columns


def _images_by_stem(folder: DataFolder, starts: Iterable[str]) -> dict[str, str]:
    """Return the names of images by what tables call them that leave the suffix out, as far as one alone fits."""
    by_stem: dict[str, set[str]] = {}
    for file in (file for start in starts for file in folder.files(start, SUFFIXES)):
        name = posixpath.basename(file)
        by_stem.setdefault(posixpath.splitext(name)[0], set()).add(name)
    return {stem: min(names) for stem, names in by_stem.items() if len(names) == 1}


def _lines(folder: DataFolder, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a table that name an image, and their numbers."""
    text = folder.read_text(table.file, LARGEST_TABLE)
    lines = text.splitlines()
    first = 2 if lines and _is_of_excel(lines[0]) else 1
    lines = lines[first - 1 :]
    spaced = f"{table.delimiter} " in "".join(lines[:1])
    reader = csv.reader(lines, delimiter=table.delimiter, skipinitialspace=spaced)
    try:
        for number, cells in enumerate(reader, start=first):
            if number == first and table.has_header:
                continue
            column = table.columns["image"]
            if len(cells) > column and cells[column].strip():
                yield number, cells
    except csv.Error as error:
        raise FileError(f"is not CSV that can be read: {error}") from error


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_of_excel(line: str) -> bool:
    """Return whether a first line only says what stands between columns."""
    return re.fullmatch(r"\s*\"?sep=.\"?\s*", line, re.IGNORECASE) is not None


def _cell(cells: list[str], column: int | None) -> str:
    return "" if column is None or column >= len(cells) else cells[column].strip()


def _split(cells: list[str], columns: dict[str, int]) -> str:
    """Return the split that a line states: by name, or by a flag of the images to judge by or to train with."""
    if "split" in columns:
        return _cell(cells, columns["split"])
    for flag, yes, no in (("validates", "val", "train"), ("trains", "train", "val")):
        if flag in columns:
            return yes if _cell(cells, columns[flag]).casefold() in YES else no
    return ""
