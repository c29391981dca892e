"""A data set on disk, of whatever layout, to one in-memory form."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torchghm.data import shards
from torchghm.data.folder import DataFolder
from torchghm.data.problems import FileError, Problem, refuse
from torchghm.data.reading import coco, voc, yolo
from torchghm.data.records import Records
from torchghm.data.splits import check_splits, in_split_order, split_by_seed, to_divide

Reader = Callable[[DataFolder, list[Problem]], tuple[tuple[str, ...], dict[str, Records]]]

# Name -> (whether a folder has the layout, how it is read, what was looked for).
LAYOUTS: dict[str, tuple[Callable[[DataFolder], object], Reader, str]] = {
    "coco": (coco.coco_files, coco.read_coco, coco.LOOKED_FOR),
    "voc": (voc.is_voc, voc.read_voc, voc.LOOKED_FOR),
    "yolo": (yolo.yolo_settings, yolo.read_yolo, yolo.LOOKED_FOR),
    "shards": (shards.is_sharded, shards.read_shards, shards.LOOKED_FOR),
}


@dataclass(frozen=True)
class DetectionData:
    """A data set: its classes, and the images and boxes of each split.

    Attributes:
        root: the folder that has the layout.
        layout: "coco", "voc", "yolo" or "shards".
        classes: names; a label is an index into them.
        splits: from the name ("train", "val", "test", and others that the data have) to the images.
        problems: what was found wrong and has been dealt with; see `torchghm.data.KINDS`.
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    splits: Mapping[str, Records]
    problems: tuple[Problem, ...]

    def select(self, names: str) -> Records:
        """Return the images of a split, or of several joined by commas ("val,test"), each image once.

        Raises:
            ValueError: a split that the data do not have, or without images.
        """
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        has = ", ".join(repr(name) for name in self.splits) or "none"
        if not wanted:
            raise ValueError(f"expected the name of a split of {self.root} (it has {has}), got {names!r}")
        for name in wanted:
            if name not in self.splits:
                raise ValueError(f"expected a split of {self.root} (it has {has}), got {name!r}")
            if not len(self.splits[name]):
                raise ValueError(f"the split {name!r} of {self.root} has no images")
        parts = [self.splits[name] for name in dict.fromkeys(wanted)]
        return parts[0] if len(parts) == 1 else Records.join(parts)


def load_data(
    root: str | os.PathLike[str],
    *,
    layout: str | None = None,
    strict: bool = False,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    split_seed: int = 0,
    shards_at: str | None = None,
) -> DetectionData:
    """Read the annotations of a data set; images are not opened.

    Boxes that cannot be learned from are dropped, boxes that stick out of their image are clipped, both with a
    count in `problems`. Everything else that is wrong is an error.

    Arguments:
        root: the folder, or one that holds it and no other data set.
        layout: "coco", "voc", "yolo" or "shards"; recognised from the folder if None.
        strict: refuse data with any problem.
        val_fraction: of the training images, for validation, if the data have no split for it.
        test_fraction: likewise, for testing, if the data have no splits at all.
        split_seed: of that division.
        shards_at: folder or URL (whatever fsspec reads) of the tar shards, if they are not beside their index.

    Returns:
        The data; splits are called train, val and test however the data spell them.

    Raises:
        FileNotFoundError: the folder does not exist.
        DataError: a `ValueError` that lists what makes the data unusable, by file.

    Example:
        >>> data = load_data("scenes")  # doctest: +SKIP
        >>> len(data.select("val,test"))  # doctest: +SKIP
        150
    """
    data = read_data(
        root,
        layout=layout,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
        shards_at=shards_at,
    )
    refused = [problem for problem in data.problems if problem.fatal or strict]
    if refused:
        raise refuse(data.root, refused)
    return data


def read_data(
    root: str | os.PathLike[str],
    *,
    layout: str | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    split_seed: int = 0,
    shards_at: str | None = None,
) -> DetectionData:
    """Read like `load_data`, but leave fatal problems among the others, for whoever wants to see them all.

    Raises:
        FileNotFoundError: the folder does not exist.
        DataError: the folder has no known layout, or several.
    """
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"expected argument `layout` to be one of {', '.join(LAYOUTS)}, got {layout!r}")
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"expected argument `{name}` to be at least 0 and below 1, got {fraction}")
    folder, found_layout = _recognise(Path(root), layout)
    if shards_at is not None:
        if found_layout != "shards":
            raise ValueError(f"expected argument `shards_at` for a folder of shards only, got {found_layout} data")
        folder.shards_at = shards_at
    problems: list[Problem] = []
    classes, splits = LAYOUTS[found_layout][1](folder, problems)
    problems += [
        Problem(str(folder.root), "malformed-annotations", f"the class name {name!a} is no text")
        for name in classes
        if name.encode("utf-8", "replace").decode() != name  # half a character, which no file could be written with
    ]
    divided = to_divide(splits)
    if divided and not any(problem.fatal for problem in problems):
        rest = {name: records for name, records in splits.items() if name != divided}
        test = 0.0 if "test" in rest else test_fraction
        try:
            splits = in_split_order({**split_by_seed(splits[divided], val_fraction, test, split_seed), **rest})
        except ValueError as error:
            raise refuse(folder.root, [Problem(divided, "unusable-folder", str(error))]) from error
    check_splits(splits, problems)
    return DetectionData(folder.root, found_layout, classes, splits, tuple(problems))


def _recognise(root: Path, layout: str | None) -> tuple[DataFolder, str]:
    """Return the folder that has a layout, the root or the only one in it, and the layout."""
    if not root.exists():
        raise FileNotFoundError(f"the data folder {str(root)!r} does not exist")
    if not root.is_dir():
        raise refuse(root, [Problem(str(root), "unusable-folder", "expected a folder, got a file")])
    wanted = [layout] if layout else list(LAYOUTS)
    found = _layouts(root, wanted)
    if not found:
        inner = sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
        found = [match for path in inner for match in _layouts(path, wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        looked_for = "; ".join(f"{name}: {LAYOUTS[name][2]}" for name in wanted)
        detail = f"expected one of these layouts, in the folder or in one in it, got none ({looked_for})"
    else:
        several = ", ".join(f"{name} in {folder.root}" for folder, name in found)
        detail = f"expected one data set, got several: {several}; name the folder, or the layout"
    raise refuse(root, [Problem(str(root), "unusable-folder", detail)])


def _layouts(root: Path, wanted: list[str]) -> list[tuple[DataFolder, str]]:
    folder = DataFolder(root)
    try:
        return [(folder, name) for name in wanted if LAYOUTS[name][0](folder)]
    except FileError as error:
        raise refuse(root, [Problem(str(root), error.what, str(error))]) from error
