"""Find COCO's files in a folder, their splits, and the folders of their images."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError
from torchghm.data.splitting.split_names import SPLIT_NAMES, split_of, split_of_path
from torchghm.data.splitting.splits import in_split_order

LOOKED_FOR = (
    "annotations/instances_*.json, _annotations.coco.json in the folder or in train/, valid/, test/, or any JSON file "
    "with the keys images, annotations and categories"
)
FILE_BESIDE_IMAGES = "_annotations.coco.json"
KEYS = (b'"images"', b'"annotations"', b'"categories"')
CHUNK = 2**22


class CocoFile(NamedTuple):
    """An annotation file, and the folders where its images can be, likely ones first."""

    file: str
    image_folders: tuple[str, ...]


def coco_files(folder: DataFolder) -> dict[str, CocoFile]:
    """Return for each split its annotation file; empty if there is none.

    Raises:
        FileError: several files are of one split.
    """
    return usual_coco_files(folder) or other_coco_files(folder)


def usual_coco_files(folder: DataFolder) -> dict[str, CocoFile]:
    """Return the files that have the names of COCO's own, or those of an annotation service."""
    found: dict[str, CocoFile] = {}
    for file in folder.files("annotations", (".json",)):
        if match := re.fullmatch(r"annotations/instances_(.+)\.json", file):
            starts = (match[1], f"images/{match[1]}", "images", "")
            found[match[1]] = CocoFile(file, (*starts, *image_folders(folder, match[1])))
    for name in ("", *SPLIT_NAMES):
        if file_beside := folder.file(FILE_BESIDE_IMAGES, name):
            found.setdefault(name or "all", CocoFile(file_beside, (name, *(f"{name}/images".strip("/"),))))
    for place in folder.tree() if found else ():  # further splits, whatever they are called
        if "/" not in place and place not in ("", *SPLIT_NAMES) and (inner := folder.file(FILE_BESIDE_IMAGES, place)):
            found.setdefault(place, CocoFile(inner, (place,)))
    # "train2017" is the split "train", unless there is another one of that name ("train2014").
    short = [re.sub(r"[-_]?\d{4}$", "", name) for name in found]
    short = [SPLIT_NAMES.get(name.casefold(), name) for name in short]
    names = short if len(set(short)) == len(short) else list(found)
    return in_split_order(dict(zip(names, found.values(), strict=True)))


def other_coco_files(folder: DataFolder) -> dict[str, CocoFile]:
    """Return the files that are COCO's by their keys, whatever they are called."""
    by_split: dict[str, list[str]] = {}
    for place in folder.tree():
        for file in folder.files(place, (".json",)) if folder.holds(place) else ():
            if has_keys(folder, file):
                split = split_of(posixpath.basename(file)[: -len(".json")]) or split_of_path(place) or "all"
                by_split.setdefault(split, []).append(file)
    found = {}
    for split, files in by_split.items():
        instances = [file for file in files if "instances" in posixpath.basename(file).casefold()]
        files = instances if len(instances) == 1 else files
        if len(files) > 1:
            raise FileError(f"expected one COCO file of {split!r}, but got {', '.join(files)}", "duplicate-split")
        inner = posixpath.dirname(files[0])
        beside = (inner, posixpath.join(inner, "images"), posixpath.join(inner, "data"))
        called_so = image_folders(folder, split)
        # A file of all images knows those beside it first; one of a split those of the split.
        likely = (inner, *called_so) if split == "all" else called_so
        found[split] = CocoFile(files[0], tuple(dict.fromkeys((*likely, *beside, "images", ""))))
    if len(found) > 1 and "all" in found:
        raise FileError(f"expected all COCO files to be called after splits, but got {found['all'].file}")
    return in_split_order(found)


def may_be_of(split: str, place: str) -> bool:
    """Return whether a folder's name does not say that its files are of another split."""
    told = split_of_path(place)
    return told is None or split_of(split) in (None, told)


def image_folders(folder: DataFolder, split: str) -> list[str]:
    """Return folders of images that can be of a split, those that are called after it first."""
    fitting = [
        place
        for place, names in folder.tree().items()
        if folder.holds(place) and may_be_of(split, place) and any(_is_image(name) for name in names)
    ]
    return sorted(fitting, key=lambda place: split_of_path(place) is None)


def alike(folder: DataFolder, split: str, annotations: str) -> list[list[str]]:
    """Return folders of images of a split that are equally likely: called after the file, after the split, or not.

    Arguments:
        folder: the data.
        split: "all" if nothing is known of it.
        annotations: the file that names the images; those beside it are likelier than others.
    """
    beside, file = posixpath.split(annotations.casefold())
    groups: dict[tuple[bool, bool], list[str]] = {}
    for place in image_folders(folder, split):
        told = split_of(split) is not None and split_of_path(place) is not None
        name = posixpath.basename(place.casefold())
        if place.casefold() != beside:
            groups.setdefault((told, told and name in file), []).append(place)  # train2014 of instances_train2014.json
    return list(groups.values())


def _is_image(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in SUFFIXES


def has_keys(folder: DataFolder, file: str) -> bool:
    """Return whether a JSON file has COCO's keys: it is looked through, not parsed, for it may be large."""
    missing = set(KEYS)
    try:
        found = folder.file(file)
        if found is None:
            return False
        with (folder.root / found).open("rb") as content:
            before = b""
            while missing and (chunk := content.read(CHUNK)):
                chunk = chunk.replace(b"\0", b"")  # without the zeros, UTF-16 is read as well
                missing -= {key for key in missing if key in before + chunk}
                before = chunk[-20:]
    except (FileError, OSError):
        return False
    return not missing - {b'"categories"'}
