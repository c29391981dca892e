"""Find Pascal VOC's XML files, their images and their splits."""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress
from itertools import takewhile

from torchghm.data.folders.beside import folders_beside
from torchghm.data.folders.file_names import loose_name, normal_name
from torchghm.data.folders.folder import DataFolder
from torchghm.data.images import SUFFIXES
from torchghm.data.problems import FileError, Problem, examples, reported
from torchghm.data.splitting.split_names import is_part, is_within, split_of_list, split_of_path, split_of_place

LOOKED_FOR = "Annotations/ and JPEGImages/, or XML files beside images or in a folder of their own"
LARGEST_LIST = 256 * 2**20
HEAD = 4096
"""Bytes that tell whether a text file is a list."""
LIST_FOLDERS = ("imagesets/main", "imagesets", "imagesets/layout", "splits", "")
"""Folders of lists of splits, in lower case, the usual one first, and the data folder itself."""


def xml_folders(folder: DataFolder) -> list[str]:
    """Return the folders of XML files that are VOC's."""
    return _with_xml(folder, [place for place in folder.tree() if folder.holds(place)])


def _with_xml(folder: DataFolder, places: list[str]) -> list[str]:
    return [
        place
        for place in places
        if any(name[-4:].casefold() == ".xml" for name in folder.tree()[place])
        and any(_is_voc(folder, file) for file in folder.files(place, (".xml",))[:3])
    ]


def is_usual_voc(folder: DataFolder) -> bool:
    """Return whether the folder has VOC's two folders."""
    return folder.folder("Annotations") is not None and folder.folder("JPEGImages") is not None


def _is_voc(folder: DataFolder, file: str) -> bool:
    try:
        found = folder.file(file)
        if found is None:
            return False
        with (folder.root / found).open("rb") as content:
            # Without the zeros, UTF-16 is read as well.
            return re.search(rb"<annotation[\s>]", content.read(4096).replace(b"\0", b"")) is not None
    except (FileError, OSError):
        return False


class VocFiles:
    """The XML files and images of a VOC folder.

    Arguments:
        folder: the data.

    Attributes:
        places: the folders of XML files, those of free names last.
        further: those of free names, where there are others.
        beside: those among them that lie beside the data, not in a folder of images or annotations.
    """

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        own = xml_folders(folder)
        below = _with_xml(folder, [place for place in folder.tree() if not folder.holds(place) and is_part(place)])
        beside = _with_xml(folder, folders_beside(folder)) if own else []
        self.places = [*own, *below, *beside] or ["Annotations"]
        self.further = frozenset((*below, *beside)) if own else frozenset()
        self.beside = frozenset(beside)
        self._places: list[str] = []
        self._images: dict[str, list[str]] = {}
        self._elsewhere: dict[str, list[str]] = {}
        for place in dict.fromkeys((*folder.tree(), "JPEGImages")):  # which may be a link
            images = self._images if folder.holds(place) else self._elsewhere
            for image in folder.files(place, SUFFIXES):
                images.setdefault(_stem(image), []).append(image)

    def splits(self, problems: list[Problem]) -> dict[str, list[str]]:
        """Return the XML files of each split: by its list, or by the folder that they are in, or all as one."""
        files = [file for place in self.places for file in self.folder.files(place, (".xml",))]
        lists = self._lists(problems)
        if lists or any(problem.fatal for problem in problems):
            self._report_unlisted(files, lists, problems)
            return lists
        splits: dict[str, list[str]] = {}
        for file in files:
            splits.setdefault(split_of_place(posixpath.dirname(file)) or "all", []).append(file)
        if len(splits) > 1 and "all" in splits:
            unread = splits.pop("all")
            detail = f"{len(unread)} files: {examples(unread)}"
            problems.append(Problem(posixpath.dirname(unread[0]) or ".", "unlisted-annotations", detail, len(unread)))
        return splits or {"all": []}

    def image(self, file: str, stated: str | None, problems: list[Problem]) -> str | None:
        """Return the image of an XML file: of the same name, or the one that its <filename> states.

        Raises:
            FileError: several fit, or the stated name leads out of the folder.
        """
        inner = posixpath.dirname(file)
        split = split_of_place(inner)
        name = posixpath.basename(stated.replace("\\", "/")) if stated else ""
        if not is_within(inner) and (image := self._in_like_folder(file, split, name)):
            return image
        fitting = [
            image
            for image in self._images.get(_stem(file), [])
            if split is None or split_of_path(posixpath.dirname(image)) in (None, split)
        ]
        exact = [image for image in fitting if normal_name(_plain_stem(image)) == normal_name(_plain_stem(file))]
        if fitting and not exact:
            detail = f"1: the image is {fitting[0]}"
            problems.append(Problem(file, "file-by-other-name", detail))
        fitting = exact or fitting
        if len(fitting) > 1:
            near = [image for image in fitting if posixpath.dirname(image) == inner]
            near = near or [image for image in fitting if _parent(image) == posixpath.dirname(inner)]
            fitting = near or fitting
        if len(fitting) > 1:
            stated_one = [image for image in fitting if normal_name(posixpath.basename(image)) == normal_name(name)]
            if len(stated_one) != 1:
                raise FileError(f"several images could be its own: {', '.join(fitting[:4])}", "ambiguous-image")
            detail = f"1: of {', '.join(fitting[:4])} it is {stated_one[0]}"
            problems.append(Problem(file, "images-of-one-name", detail))
            fitting = stated_one
        if fitting:
            other = posixpath.join(posixpath.dirname(fitting[0]), name) if name else fitting[0]
            if _stem(other) != _stem(fitting[0]) and self.folder.file(other) is not None:
                detail = f"1: the image is {fitting[0]}, but <filename> is {name}, which is there too"
                problems.append(Problem(file, "other-filename", detail))
            return self.folder.file(fitting[0])  # which may be a link that leads out
        found = self.folder.named(stated, self.image_places())[0] if stated else None
        return found or self._in_like_folder(file, split, name, called_so=False)

    def _in_like_folder(self, file: str, split: str | None, stated: str, *, called_so: bool = True) -> str | None:
        """Return the image of an XML file in this folder, in one that is called so, too, or else in any of a free name.

        Raises:
            FileError: there are several.
        """
        inner = posixpath.dirname(file)
        stem = normal_name(_plain_stem(file))
        alike: dict[tuple[int, bool], list[str]] = {}
        for image in (*self._images.get(_stem(file), ()), *self._elsewhere.get(_stem(file), ())):
            place = posixpath.dirname(image)
            told = split_of_place(place)
            if told in (None, split or told) and normal_name(_plain_stem(image)) == stem:
                shared = len(file) if place == inner else _shared_end(place, inner)
                likely = is_part(place) or not re.search("mask|segm", place.casefold())
                alike.setdefault((shared, is_part(place)) if likely else (0, False), []).append(image)
        best = max(alike, default=(0, False))
        if not best[0] and (called_so or not best[1]):
            return None
        fitting = alike.get(best, [])
        if len(fitting) > 1:
            fitting = [image for image in fitting if posixpath.basename(image) == stated] or fitting
        if len(fitting) > 1:
            raise FileError(f"several images could be its own: {', '.join(fitting[:4])}", "ambiguous-image")
        return self.folder.file(fitting[0]) if fitting else None

    def image_places(self) -> list[str]:
        """Return the folders of images."""
        if not self._places:
            images = (image for of_stem in self._images.values() for image in of_stem)
            self._places = list(dict.fromkeys(["JPEGImages", *(posixpath.dirname(image) for image in images)]))
        return self._places

    def _lists(self, problems: list[Problem]) -> dict[str, list[str]]:
        """Return the XML files that lists of splits name; a name that stands for none is kept as it is."""
        lists: dict[str, list[str]] = {}
        places = sorted(
            (place for place in self.folder.tree() if place.casefold() in LIST_FOLDERS),
            key=lambda place: LIST_FOLDERS.index(place.casefold()),
        )
        for place in places:
            for file in self.folder.files(place, (".txt",)) if not lists else ():
                # VOC also has lists for each class ("dog_train.txt"): these are no splits.
                split = split_of_list(posixpath.basename(file))
                if split is None or not (place or self._lists_own(file)):
                    continue
                with reported(problems, file):
                    if split in lists:
                        raise FileError(f"is a second list of {split!r}", "duplicate-split")
                    lines = self.folder.read_text(file, LARGEST_LIST).splitlines()
                    lists[split] = [self._listed(line.strip()) for line in lines if line.strip()]
        return lists

    def _listed(self, line: str) -> str:
        """Return the XML file that a line of a list stands for: a stem, or the name of an image or XML file."""
        names = []
        for words in dict.fromkeys((line, *line.split())):  # an image and its XML file, or a stem and a flag
            stem, suffix = posixpath.splitext(words.replace("\\", "/"))
            names.append(f"{words}.xml")
            if suffix.lower() in (*SUFFIXES, ".xml"):
                names += [f"{stem}.xml", f"{posixpath.basename(stem)}.xml"]
        above = dict.fromkeys(posixpath.dirname(place) for place in self.places if not is_within(place))
        for name in names:
            for place in (*self.places, *above):
                try:
                    found = self.folder.file(name, place) or self.folder.loosely(name, place)
                except FileError:
                    continue
                if found is not None:
                    return found
        return f"{self.places[0]}/{names[0]}".removeprefix("/")

    def _lists_own(self, file: str) -> bool:
        """Return whether a text file that lies anywhere names XML files that are there."""
        lines = self.folder.head(file, HEAD).decode("utf-8-sig", "replace").splitlines()
        first = next((line.strip() for line in lines if line.strip()), "")
        with suppress(FileError):
            return bool(first) and self.folder.file(self._listed(first)) is not None
        return False

    def _report_unlisted(self, files: list[str], lists: dict[str, list[str]], problems: list[Problem]) -> None:
        listed = {normal_name(file) for of_split in lists.values() for file in of_split}
        if lists and (unlisted := [file for file in files if normal_name(file) not in listed]):
            shown = examples(posixpath.basename(file) for file in unlisted)
            place = posixpath.dirname(unlisted[0]) or "."
            problems.append(Problem(place, "unlisted-annotations", f"{len(unlisted)} files: {shown}", len(unlisted)))


def _stem(file: str) -> str:
    return loose_name(_plain_stem(file))


def _plain_stem(file: str) -> str:
    name = file.rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    if suffix.lower() == "xml" and "." in stem:  # some tools write a.jpg.xml for a.jpg
        inner, _, suffix = stem.rpartition(".")
        return inner if f".{suffix.lower()}" in SUFFIXES else stem
    return stem or name


def _shared_end(first: str, second: str) -> int:
    """Return how many of the last folders of two paths are called alike."""
    pairs = zip(reversed(first.casefold().split("/")), reversed(second.casefold().split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _parent(image: str) -> str:
    return posixpath.dirname(posixpath.dirname(image))
