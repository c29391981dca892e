"""The header of a table of boxes: which column is what, by the names that tools give them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torchghm.data.splitting.stated_splits import SPLIT_KEYS

CORNERS = ("xmin", "ymin", "xmax", "ymax")
IMAGES = (
    *("filename", "image", "imagepath", "imagename", "path", "file", "imageid", "filepath", "imagefile", "imgname"),
    *("img", "imgpath"),
)
CLASSES = (
    *("class", "label", "classname", "name", "category", "labelname", "categoryname", "classlabel", "classid"),
    *("labelid", "categoryid"),
)
ALIASES = {
    "image": IMAGES,
    "class": CLASSES,
    "xmin": ("xmin", "x1", "left", "bboxxmin", "bboxx1", "roix1", "minx"),
    "ymin": ("ymin", "y1", "top", "bboxymin", "bboxy1", "roiy1", "miny"),
    "xmax": ("xmax", "x2", "right", "bboxxmax", "bboxx2", "roix2", "maxx"),
    "ymax": ("ymax", "y2", "bottom", "bboxymax", "bboxy2", "roiy2", "maxy"),
    "width": ("width",),
    "height": ("height",),
    "split": tuple(key.replace("_", "") for key in SPLIT_KEYS),
    "validates": ("isvalid", "isval", "isvalidation"),
    "trains": ("istrain", "istraining"),
}
CROWDS = ("isgroupof", "iscrowd", "difficult", "isdifficult", "ignore", "isignore")
"""Columns of which each marks objects that are not learned."""
_OPEN_IMAGES = {"imageid", "labelname"}
"""Columns of Open Images: its corners are fractions, its images are named without `.jpg`, its groups are crowds."""


def plain(name: str) -> str:
    """Return the name of a column without case, blanks and signs: `X Min`, `x_min` and `XMin` are one."""
    return re.sub(r"[\W_]", "", name.casefold())


def columns_of(cells: Sequence[str]) -> dict[str, int] | None:
    """Return which column of a header is what, None if it is none of boxes."""
    names = list(map(plain, cells))
    columns = {
        what: next(names.index(alias) for alias in aliases if alias in names)
        for what, aliases in ALIASES.items()
        if any(alias in names for alias in aliases)
    }
    return columns if {"image", "class", *CORNERS} <= set(columns) else None


def columns_called(cells: Sequence[str], aliases: Sequence[str]) -> tuple[int, ...]:
    """Return all columns of a header that have one of these names, in the order of the names."""
    names = list(map(plain, cells))
    return tuple(names.index(alias) for alias in aliases if alias in names)


def is_of_open_images(cells: Sequence[str]) -> bool:
    """Return whether a header is that of Open Images."""
    return {cell.casefold() for cell in cells} >= _OPEN_IMAGES
