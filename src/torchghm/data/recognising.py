"""Recognise which layout a folder has, and which folder it is that has it."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from pathlib import Path

from torchghm.data.evidence.other_tools import other_tool
from torchghm.data.evidence.seen import what_is_there
from torchghm.data.folders.beside import free_top, has_images
from torchghm.data.folders.file_names import is_hidden
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, refuse
from torchghm.data.reading import LAYOUTS
from torchghm.data.splitting.split_names import is_of_runs, is_within

OF_SINGLE_IMAGES = {"voc", "labelme"}
"""Layouts with an annotation file for each image, of which several folders are one data set as well."""
Found = list[tuple[DataFolder, str]]
"""Folders, and the layout of each."""


def recognise(root: Path, layout: str | None) -> tuple[DataFolder, str]:
    """Return the folder that has a layout, the root or the only one in it, and the layout.

    Raises:
        FileNotFoundError: the folder does not exist.
        DataError: it has no known layout, or several.
    """
    if not root.exists():
        raise FileNotFoundError(f"the data folder {str(root)!r} does not exist")
    if not root.is_dir():
        raise refuse(root, [Problem(str(root), "unusable-folder", "expected a folder, but got a file")])
    wanted = [layout] if layout else list(LAYOUTS)
    level, found = _search(root, wanted, deep=False)
    if level > 0 and not any(LAYOUTS[name].usual(folder) for folder, name in found):
        # Annotations that lie in folders of free names would be taken for a data set without images.
        above, in_all = _search(root, wanted, deep=True)
        if len(in_all) == 1 and (above < level or not found):
            found = in_all
    found = _with_parts(root, wanted, found) or found
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(f"{name} in {folder.root}" for folder, name in found)
        detail = f"expected one data set, but got several: {several}; name the folder, or the layout"
        usual = any(LAYOUTS[name].usual(folder) for folder, name in found)
        if {name for _, name in found} <= OF_SINGLE_IMAGES and not usual:
            detail += ", or move them all into a folder called images to have them read as one"
        raise refuse(root, [Problem(str(root), "unusable-folder", detail)])
    looked_for = "; ".join(f"{name}: {LAYOUTS[name].looked_for}" for name in wanted)
    folder = DataFolder(root)
    detail = (
        other_tool(folder)
        or f"expected one of these layouts, in the folder or in one in it, but got {what_is_there(folder)} "
        f"(looked for {looked_for})"
    )
    raise refuse(root, [Problem(str(root), "unusable-folder", detail)])


def further_layouts(folder: DataFolder, layout: str) -> list[Problem]:
    """Return the layouts that a folder has besides the one that is read."""
    found = []
    for name, each in LAYOUTS.items():
        with suppress(FileError):  # of two files of one split: they are not read
            if name not in (layout, "yolo") and (each.like(folder) or each.other(folder)):
                found.append(name)
    return [Problem(".", "other-layout", f"{', '.join(found)} beside {layout}")] if found else []


def _search(root: Path, wanted: list[str], *, deep: bool) -> tuple[int, Found]:
    """Return the layouts that are found at the first level that has any, and the level."""
    places = [root]
    for level in range(3):  # archives are often unpacked into a folder of their name, or two
        for evidence in ("usual", "like", "other"):
            if found := [match for place in places for match in _layouts(_folder(place, deep), wanted, evidence)]:
                return level, found
        places = [inner for place in places for inner in _inner_folders(place)] if level < 2 else []
    return 3, []


def _with_parts(root: Path, wanted: list[str], found: Found) -> Found:
    """Return the only layout of the folder above, where annotations and images lie in folders of free names beside it.

    It is asked for where nothing is found, or a folder without images: its images are elsewhere.
    """
    if any(name == "shards" or _images(folder) for folder, name in found):
        return []
    if not found and other_tool(DataFolder(root)):
        return []
    base = Path(os.path.commonpath([folder.root for folder, _ in found])) if found else root
    if found and base != root and base in (folder.root for folder, _ in found):
        base = base.parent
    folder = DataFolder(base)
    while base != root and not any(has_images(folder, place) for place in folder.tree()):
        base = base.parent
        folder = DataFolder(base)
    with_images = [place for place in folder.tree() if has_images(folder, place) and not is_of_runs(place)]
    if not with_images:
        return []
    parts = {posixpath.normpath(os.path.relpath(each.root, base)) for each, _ in found} - {"."}
    parts = parts or {free_top(place) for place in folder.tree() if not has_images(folder, place)}
    if not any(map(is_within, with_images)):
        parts |= {free_top(place) for place in with_images}
    folder.parts = frozenset(parts - {""})
    if not folder.parts:
        return []
    for evidence in ("usual", "like", "other"):
        if matches := _layouts(folder, wanted, evidence):
            return matches if len(matches) == 1 else []
    return []


def _images(folder: DataFolder) -> bool:
    """Return whether a folder holds images, or has a link to a folder, which is not looked through."""
    links = any(path.is_symlink() and path.is_dir() for path in folder.root.iterdir())
    return links or any(folder.holds(place) and has_images(folder, place) for place in folder.tree())


def _inner_folders(place: Path) -> list[Path]:
    return sorted(
        path for path in place.iterdir() if path.is_dir() and not path.is_symlink() and not is_hidden(path.name)
    )


def _folder(root: Path, deep: bool) -> DataFolder:
    folder = DataFolder(root)
    folder.deep = deep
    return folder


def _layouts(folder: DataFolder, wanted: list[str], evidence: str) -> Found:
    try:
        return [(folder, name) for name in wanted if getattr(LAYOUTS[name], evidence)(folder)]
    except FileError as error:
        raise refuse(folder.root, [Problem(str(folder.root), error.what, str(error))]) from error
