"""The recipes, and the presets of comparisons, that come with the library: their names and texts."""

from __future__ import annotations

from importlib.resources import files
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def packaged_names(*folder: str) -> list[str]:
    """Return the names of the YAML files in the package's ``recipes``, or in a folder of it.

    Examples:
        >>> "finetune" in packaged_names(), "fine_tuning" in packaged_names("comparisons")
        (True, True)
    """
    names = (entry.name for entry in _folder(*folder).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def packaged_text(name: str, *folder: str) -> str:
    """Return the text of one."""
    return _folder(*folder).joinpath(f"{name}.yaml").read_text("utf-8")


def packaged_comments(*folder: str) -> dict[str, str]:
    """Return by name the comment that the text opens with, empty where there is none."""
    comments = {}
    for name in packaged_names(*folder):
        lines = takewhile(lambda line: line.startswith("#"), packaged_text(name, *folder).splitlines())
        comments[name] = " ".join(line.removeprefix("#").strip() for line in lines)
    return comments


def _folder(*folder: str) -> Traversable:
    return files("torchghm").joinpath("recipes", *folder)
