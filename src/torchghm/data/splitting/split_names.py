"""Names of splits and folders, as data sets have them and as this library has them."""

from __future__ import annotations

import re

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "test": "test",
    "testing": "test",
    "trainval": "trainval",
}
"""Our name of a split, by that of the data in lower case."""
PLACES = frozenset(
    (
        *("annotation", "annotations", "ann", "anns", "annots", "box", "boxes", "bbox", "bboxes", "label", "labels"),
        *("image", "images", "img", "imgs", "jpegimages", "jpgs", "photos", "pictures"),
        *("data", "default", "dataset", "obj", "xml", "xmls"),
    )
)
"""Names of folders within one data set; a folder of another name is a data set of its own."""
NEUTRAL = frozenset(("data", "dataset", "default", "obj"))
"""Those among them that may hold several data sets."""
OF_RUNS = ("runs", "predictions", "predict", "detect", "results")
"""Folders of what a detector found, which is no annotation."""


def split_of(name: str) -> str | None:
    """Return the split that a name tells, of a file or folder: `instances_train2017`, `Train_annotations`, `valid`."""
    words = re.findall(r"[a-z]+", name.casefold())
    found = list(dict.fromkeys(SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES))
    return found[0] if len(found) == 1 else None


def split_of_list(name: str) -> str | None:
    """Return the split that a list is called after and nothing else: `val_list.txt`, but not `dog_train.txt`."""
    words = [word for word in re.split(r"[ _-]+", name.rpartition(".")[0].casefold()) if word != "list"]
    return SPLIT_NAMES.get(words[0]) if len(words) == 1 else None


def split_of_path(path: str) -> str | None:
    """Return the split that the last folder of a path tells, or the one above it, and so on."""
    for part in reversed(path.split("/")):
        if (split := split_of(part)) is not None:
            return split
    return None


def is_split(part: str) -> bool:
    """Whether a folder is called after a split and nothing else: `train2017`, `Test Set`, but not `test_tubes`."""
    return split_of(part) is not None and _words(part) <= PLACES | SPLIT_NAMES.keys() | {"set"}


def is_within(path: str) -> bool:
    """Whether a folder, relative to that of a data set, is a part of it: all of its names are places or splits."""
    return all(_is_place(part) for part in path.split("/")) if path else True


def is_part(path: str) -> bool:
    """Whether a folder is within a data set, or below a folder of a split, of its images or of its annotations."""
    if is_of_runs(path):
        return False
    parts = path.split("/")
    for number, part in enumerate(parts):
        if path and not _is_place(part):
            above = parts[:number]
            return any(is_split(each) or not _words(each) <= NEUTRAL for each in above) and is_part("/".join(above))
    return True


def is_of_runs(path: str) -> bool:
    """Whether a folder is, or is in, one of what a detector found, or of what a disk station keeps for itself."""
    return any(part.casefold() in OF_RUNS or part.startswith("@") for part in path.split("/"))  # @eaDir: thumbnails


def split_of_place(path: str) -> str | None:
    """Return the split that a folder's name tells, folders of free names left aside."""
    return split_of_path("/".join(part for part in path.split("/") if _is_place(part)))


def is_place_alone(part: str) -> bool:
    """Whether a folder's name says what is in it and nothing of a split: `images`, `Annotations`, `xmls`."""
    return _words(part) <= PLACES


def _words(part: str) -> set[str]:
    return {word for word in re.split(r"[^a-z]+", part.casefold()) if word}


def _is_place(part: str) -> bool:
    words = _words(part)
    return is_split(part) or (bool(words) and words <= PLACES | SPLIT_NAMES.keys())
