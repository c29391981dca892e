"""Find the files of CVAT, labelme and VIA in a folder, and their splits."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from torchghm.data.folders.beside import folders_beside
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.splitting.split_names import is_part, split_of, split_of_place

LOOKED_FOR = {
    "cvat": "an XML file of CVAT for images",
    "labelme": "labelme's JSON files, one an image",
    "via": "JSON files of the VGG Image Annotator",
}
HEAD = 2**16
"""Bytes that tell what a file is: labelme may put a whole image behind them."""


def annotation_files(layout: str, folder: DataFolder) -> list[str]:
    """Return the annotation files of a layout, sorted by folder and name; empty if there is none."""
    return _files(layout, folder, [place for place in folder.tree() if folder.holds(place)])


def further_files(layout: str, folder: DataFolder) -> list[str]:
    """Return those in folders of free names, below the folders of a split or of annotations or beside all others."""
    below = [place for place in folder.tree() if not folder.holds(place) and is_part(place)]
    return _files(layout, folder, [*below, *folders_beside(folder)])


def is_beside(file: str) -> bool:
    """Return whether a further file lies beside the data, not in a folder of images or annotations."""
    return not is_part(posixpath.dirname(file))


def _files(layout: str, folder: DataFolder, places: list[str]) -> list[str]:
    """Return the annotation files in some folders.

    A JSON file that has the name of an image is labelme's where any other in its folder is: it may be damaged.
    """
    suffix = ".xml" if layout == "cvat" else ".json"
    found = []
    for place in sorted(places):
        names, files = folder.tree()[place], folder.files(place, (suffix,))
        heads = ((file, folder.head(file, HEAD).replace(b"\0", b"")) for file in files)  # UTF-16 has zeros
        told = [file for file, head in heads if _TOLD_BY[layout](head)]
        if told and layout == "labelme":
            images = {posixpath.splitext(name)[0] for name in names if posixpath.splitext(name)[1].lower() in SUFFIXES}
            told = [file for file in files if file in told or posixpath.splitext(posixpath.basename(file))[0] in images]
        found += told
    return found


def split_of_file(layout: str, file: str) -> str:
    """Return the split that the name of a file, or of a folder above it, tells; "all" if none does."""
    place, name = posixpath.split(file)
    told = None if layout == "labelme" else split_of(posixpath.splitext(name)[0])  # labelme's have names of images
    return told or split_of_place(place) or "all"


def _is_cvat(head: bytes) -> bool:
    return b"<annotations>" in head and (b"<image " in head or b"<track " in head or b"<meta>" in head)


def _is_labelme(head: bytes) -> bool:
    return b'"shapes"' in head and (b'"imagePath"' in head or b'"shape_type"' in head or b'"imageData"' in head)


def _is_via(head: bytes) -> bool:
    return b'"_via_img_metadata"' in head or all(key in head for key in (b'"filename"', b'"regions"'))


_TOLD_BY: dict[str, Callable[[bytes], bool]] = {"cvat": _is_cvat, "labelme": _is_labelme, "via": _is_via}
