"""Sources of the classes and splits of YOLO data: YAML, Darknet's `obj.data`, or a list of classes alone."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from reprlib import repr as brief
from typing import Any

import yaml

from torchghm.data.evidence.class_lists import CLASS_LISTS, class_names, lists_in
from torchghm.data.evidence.other_tools import HEAD, lists_boxes
from torchghm.data.evidence.stated_names import stated_names
from torchghm.data.folders.beside import folders_beside
from torchghm.data.folders.folder import DataFolder, is_inside
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError
from torchghm.data.splitting.split_names import SPLIT_NAMES, split_of_path

LARGEST_SETTINGS = 2**19  # the parser takes some ten seconds for that
USUAL = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")


@dataclass(frozen=True)
class YoloSource:
    """The content of a settings file.

    Attributes:
        file: the settings file.
        classes: names.
        places: the key of each split, and its folders or lists of images.
        base: the folder that they start from.
        key_points: how many numbers follow the box on a line of a pose data set, 0 for any other.
        stated: settings name the classes, not a list of them alone.
    """

    file: str
    classes: tuple[str, ...]
    places: dict[str, list[str]]
    base: str = ""
    key_points: int = 0
    stated: bool = True


def usual_settings(folder: DataFolder) -> str | None:
    """Return the settings file that has a usual name, None if there is none."""
    names = folder.files("", (".yaml", ".yml"))
    return next((file for name in USUAL for file in names if file.casefold() == name), None)


def yolo_source(folder: DataFolder) -> tuple[str, Callable[[DataFolder, str], YoloSource]] | None:
    """Return the settings file of a YOLO folder and what reads it, None if there is none.

    Raises:
        FileError: there are several, and none has the usual name.
    """
    if (usual := usual_settings(folder)) is not None:
        return usual, read_yaml
    if others := settings_in(folder, ""):
        return _only(others), read_yaml
    if taken := [file for part in sorted(folder.parts) for file in settings_in(folder, part)]:
        return _only(taken), read_yaml
    for file in [file for part in ("", *sorted(folder.parts)) for file in folder.files(part, (".data",))]:
        if _has_keys(folder, file, r"names\s*=", r"train\s*="):
            return file, read_darknet
    texts = (posixpath.join(place, name) for place, names in folder.tree().items() for name in names if _is_label(name))
    if not any(not lists_boxes(folder.head(file, HEAD)) for file in texts):
        return None
    for place in ("", *(place for place in folder.tree() if place and folder.holds(place))):
        if (lists := lists_in(folder, place)) and _image_folders(folder):
            beside = settings_beside(folder)
            return (next(iter(beside)), read_yaml) if len(beside) == 1 else (lists[0], read_class_list)
    return None


def settings_in(folder: DataFolder, place: str) -> list[str]:
    """Return the files in a folder that have class names and a split."""
    files = folder.files(place, (".yaml", ".yml"))
    return [file for file in files if _has_keys(folder, file, r"names\s*:", r"(train|val|valid|test)\s*:")]


def settings_beside(folder: DataFolder) -> dict[str, YoloSource]:
    """Return the settings in folders beside the data, such as `config/`, of which a split is there."""
    found = {}
    for file in [file for place in folders_beside(folder) for file in settings_in(folder, place)]:
        with suppress(FileError):
            source = read_yaml(folder, file)
            if any(leads_to(folder, each) for place in source.places.values() for each in starts_of(source, place[0])):
                found[file] = source
    return found


def starts_of(source: YoloSource, place: str) -> list[str]:
    """Return where an entry of settings can lead, likely names first.

    The folder that settings name was where their writer had it, and a common exporter writes "../train/images" for
    "train/images": only what lies in the data folder is taken.
    """
    inner = posixpath.dirname(source.file)
    names = (
        posixpath.join(inner, source.base, place),
        posixpath.join(source.base, place),
        posixpath.join(inner, place),
    )
    return list(dict.fromkeys((*names, place, place.removeprefix("../"))))


def leads_to(folder: DataFolder, place: str) -> bool:
    """Return whether a name is that of a folder or file in the data."""
    try:
        return folder.folder(place) is not None or folder.file(place) is not None
    except FileError:
        return False


def _only(files: list[str]) -> str:
    if len(files) > 1:
        raise FileError(
            f"expected one settings file, but got {', '.join(files)}; put the right one into the folder as data.yaml"
        )
    return files[0]


def other_settings(folder: DataFolder, file: str) -> dict[str, tuple[str, ...]]:
    """Return the classes of settings beside those that are read, as far as they have any."""
    found = {}
    for other in settings_in(folder, ""):
        with suppress(FileError):
            found[other] = stated_names(folder, other, _parse(folder.read_text(other, LARGEST_SETTINGS)))
    found |= {other: source.classes for other, source in settings_beside(folder).items()}
    found.pop(file, None)
    return found


def read_yaml(folder: DataFolder, file: str) -> YoloSource:
    """Read `data.yaml`.

    Raises:
        FileError: it says nothing, or something else than is expected.
    """
    settings = _parse(folder.read_text(file, LARGEST_SETTINGS))
    classes = stated_names(folder, file, settings)
    places = {
        key: _places(key, value) for key, value in settings.items() if str(key).casefold() in SPLIT_NAMES and value
    }
    base = settings.get("path", "")
    return YoloSource(file, classes, places, base if isinstance(base, str) else "", _key_points(settings))


def read_darknet(folder: DataFolder, file: str) -> YoloSource:
    """Read Darknet's `obj.data`: lines `key = value`, of which `names` is a file of class names.

    Raises:
        FileError: a file is missing or says something else.
    """
    pairs = [line.partition("=") for line in folder.read_text(file, LARGEST_SETTINGS).splitlines() if "=" in line]
    settings = {key.strip(): value.strip() for key, _, value in pairs}
    names, _ = folder.named(settings.get("names", ""), (posixpath.dirname(file), ""))
    if names is None:
        raise FileError(f"expected a file of class names under the key 'names', but got {settings.get('names')!r}")
    classes = class_names(folder, names)
    if settings.get("classes", str(len(classes))) != str(len(classes)):
        raise FileError(
            f"expected {len(classes)}, the lines of {names}, under 'classes', but got {settings['classes']!r}"
        )
    places = {key: [value] for key, value in settings.items() if key.casefold() in SPLIT_NAMES and value}
    return YoloSource(file, classes, places)


def read_class_list(folder: DataFolder, file: str) -> YoloSource:
    """Read a list of class names; the splits are those that folders of images are called after.

    Raises:
        FileError: it is no list of names.
    """
    places: dict[str, list[str]] = {}
    for place in _image_folders(folder):
        of_split = places.setdefault(split_of_path(place) or "all", [])
        if not any(is_inside(place, above) for above in of_split):  # which are read with the folders in them
            of_split.append(place)
    if len(places) > 1 and "all" in places:
        raise FileError(f"expected all folders of images to be called after splits, but got {', '.join(places['all'])}")
    return YoloSource(file, class_names(folder, file), places, stated=False)


def _image_folders(folder: DataFolder) -> list[str]:
    return [
        place
        for place, names in folder.tree().items()
        if folder.holds(place) and any(posixpath.splitext(name)[1].lower() in SUFFIXES for name in names)
    ]


def _is_label(name: str) -> bool:
    return name.casefold().endswith(".txt") and name.casefold() not in CLASS_LISTS


def _has_keys(folder: DataFolder, file: str, *keys: str) -> bool:
    try:
        content = folder.read_text(file, LARGEST_SETTINGS)
    except FileError:
        return False
    return all(re.search(rf"^\s*[\"']?{key}", content.replace('":', ":"), re.MULTILINE) for key in keys)


def _parse(content: str) -> dict[str, Any]:
    try:
        # The loader that builds nothing but text, lists and mappings: a class called `no` stays one.
        settings = yaml.load(content, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:  # the latter of \U00110000 and longer
        raise FileError(f"is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise FileError(f"expected the keys train, val and names, but got {type(settings).__name__}")
    return settings


def _key_points(settings: dict[str, Any]) -> int:
    shape = settings.get("kpt_shape")
    if shape is None:
        return 0
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or not all(str(side).isascii() and str(side).isdigit() for side in shape)
    ):
        raise FileError(f"expected two whole numbers under the key 'kpt_shape', but got {brief(shape)}")
    return int(shape[0]) * int(shape[1])


def _places(key: str, value: object) -> list[str]:
    places = [value] if isinstance(value, str) else value
    if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
        raise FileError(f"expected a folder, a file or a list of them under the key {key!r}")
    return places
