"""Folders of free names beside those of a data set, in which no image lies: they can hold annotations alone."""

from __future__ import annotations

import posixpath

from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.splitting.split_names import is_of_runs, is_part, is_within


def has_images(folder: DataFolder, place: str) -> bool:
    """Return whether a folder has images, those in it left aside."""
    return any(posixpath.splitext(name)[1].lower() in SUFFIXES for name in folder.tree().get(place, ()))


def free_top(place: str) -> str:
    """Return the path to the first folder of a free name in a path, "" if there is none."""
    parts = place.split("/")
    tops = ("/".join(parts[:number]) for number in range(1, len(parts) + 1))
    return next((top for top in tops if not is_within(top)), "")


def folders_beside(folder: DataFolder) -> list[str]:
    """Return the folders of free names, and those in them, below whose topmost there is no image.

    Such a folder with images is a data set of its own, or what something else made of the images.
    """
    own = {free_top(place) for place in folder.tree() if has_images(folder, place)}
    return [
        place
        for place in sorted(folder.tree())
        if not folder.holds(place) and not is_part(place) and free_top(place) not in own and not is_of_runs(place)
    ]
