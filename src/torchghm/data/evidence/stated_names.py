"""Class names as settings state them: a list, a mapping from or to numbers, a file of names, or a list as text."""

from __future__ import annotations

import posixpath
from contextlib import suppress
from reprlib import repr as brief
from typing import Any

import yaml

from torchghm.data.evidence.class_lists import CLASS_SUFFIXES, class_names
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError


def stated_names(folder: DataFolder, file: str, settings: dict[str, Any]) -> tuple[str, ...]:
    """Return the class names of settings, in the order of their numbers.

    Arguments:
        folder: the data.
        file: the settings file.
        settings: its content.

    Raises:
        FileError: there are none, or they are something else.
    """
    names = settings.get("names")
    if names is None:
        has = ", ".join(sorted(str(key)[:20] for key in settings)[:8])
        raise FileError(f"expected a list of class names under the key 'names', but got no such key (there are {has})")
    if isinstance(names, str):
        names = _names_from_text(folder, file, names)
    if isinstance(names, dict):
        names = _names_by_number(names)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise FileError("expected a list of class names under the key 'names'")
    if len(set(names)) < len(names):
        raise FileError("expected different class names under the key 'names', but got one of them twice")
    stated = settings.get("nc", str(len(names)))
    if stated != str(len(names)):
        raise FileError(f"expected {len(names)}, the number of 'names', under the key 'nc', but got {brief(stated)}")
    return tuple(names)


def _names_from_text(folder: DataFolder, file: str, text: str) -> object:
    """Return the names of a file that a text names, or of a list that is written as text."""
    if text.strip().startswith(("[", "{")):
        with suppress(yaml.YAMLError, RecursionError):
            return yaml.load(text, Loader=yaml.BaseLoader)
    suffix = posixpath.splitext(text)[1].casefold()
    if suffix not in (".txt", *CLASS_SUFFIXES):
        raise FileError(
            f"expected a list of class names under the key 'names', or a file of them, but got {brief(text)}"
        )
    found, _ = folder.named(text, (posixpath.dirname(file), ""))
    if found is None:
        raise FileError(f"expected a file of class names under 'names', but {brief(text)} is not there")
    return list(class_names(folder, found))


def _names_by_number(names: dict[str, Any]) -> list[Any]:
    numbers = {str(number) for number in range(len(names))}
    if not numbers & set(names) and len(set(map(str, names.values()))) == len(names) == len(numbers):
        # Some write the number behind the name.
        turned = {str(number): name for name, number in names.items()}
        names = turned if set(turned) == numbers else names
    if set(names) != numbers:
        got = ", ".join(map(str, names))
        raise FileError(f"expected the numbers 0, 1, 2, ... as keys under 'names', but got {brief(got)}")
    return [names[str(number)] for number in range(len(names))]
