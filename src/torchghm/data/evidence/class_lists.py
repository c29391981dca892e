"""Lists of class names beside label files: a tool that annotates counts classes by the list that it writes there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples

CLASS_LISTS = ("classes.txt", "predefined_classes.txt", "names.txt", "_classes.txt")
CLASS_SUFFIXES = (".names", ".labels")
OF_LABELS = ("classes.txt", "_classes.txt")
"""Lists that tools write for the label files below them; those of other names are often left from something else."""
PROPOSED = "predefined_classes.txt"
"""The list that a tool proposes classes from, whatever it counts by afterwards."""
LARGEST_LIST = 2**19

Pair = tuple[str, str]


class OwnClasses(NamedTuple):
    """The classes that a label file counts by.

    Attributes:
        names: in their order there.
        numbers: from the number of each there to that in the data.
    """

    names: tuple[str, ...]
    numbers: Mapping[float, int]


def lists_in(folder: DataFolder, place: str) -> list[str]:
    """Return the class lists in a folder, those of usual names first."""
    named = [found for name in CLASS_LISTS if (found := folder.loosely(name, place))]
    return named + folder.files(place, CLASS_SUFFIXES)


def class_names(folder: DataFolder, file: str) -> tuple[str, ...]:
    """Return the names of a class list; a line is a name, a number and its name, or a remark behind `#`.

    Raises:
        FileError: it is no list of names.
    """
    lines = [line.strip() for line in folder.read_text(file, LARGEST_LIST).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    names = [line for line in lines if not line.startswith("#")] or lines
    numbered = [re.fullmatch(r"(\d{1,6})\s*[\s:,;=]\s*(\S.*)", name) for name in names]
    pairs = [(int(match[1]), match[2]) for match in numbered if match]
    if len(pairs) == len(names) and {number for number, _ in pairs} == set(range(len(names))):
        names = [name for _, name in sorted(pairs)]
    if not names or not all(names) or len(set(names)) < len(names):
        raise FileError(f"expected different class names in {file}, one a line")
    return tuple(names)


class ClassLists:
    """The class list that each label file was written with.

    Arguments:
        folder: the data.
        file: where the classes of the data are from.
        classes: these.
        stated: settings name them, so that no list beside label files is followed, but compared alone.

    Attributes:
        names: those of the data, and further ones of lists that are followed.
    """

    def __init__(self, folder: DataFolder, file: str, classes: Sequence[str], *, stated: bool) -> None:
        self.folder, self.file, self.stated = folder, file, stated
        self.base = tuple(classes)
        self.names = list(classes)
        self._by_list: dict[str, tuple[str, ...]] = {file: self.base}
        self._own: dict[str, OwnClasses | None] = {}
        self._chosen: dict[Pair, str] = {}
        self._refused: dict[Pair, str] = {}
        self._warned: dict[Pair, str] = {}

    def compare(self, label_files: Sequence[Pair]) -> None:
        """Find and compare the lists of all label files, each with its image."""
        of_images = {labels for labels, _ in label_files}  # an image may be called classes.jpg
        folders = dict.fromkeys((posixpath.dirname(labels), posixpath.dirname(image)) for labels, image in label_files)
        for pair in folders:
            self._chosen[pair] = self.file
            around = [(listed, place) for place in _around(*pair) for listed in lists_in(self.folder, place)]
            around = [(listed, place) for listed, place in around if listed not in of_images and self._names_in(listed)]
            known = [(listed, self._strong(listed, place in pair)) for listed, place in around]
            if not self.stated:
                self._chosen[pair] = next((listed for listed, strong in known if strong), self.file)
            undecided = not self.stated and not any(strong for _, strong in known)
            for listed, strong in known:
                self._compare(self._chosen[pair], listed, strong=strong, undecided=undecided)
        used = list(dict.fromkeys(self._chosen.values()))
        # A list that no label file was written with names no classes, unless it names those of the first that was.
        if used and self.file not in used and _differ(self.base, self._by_list[used[0]]):
            self.file, self.base = used[0], self._by_list[used[0]]
            self.names = list(self.base)
        for listed in used:
            known_names = set(map(_plain, self.names))
            self.names += [name for name in self._by_list[listed] if _plain(name) not in known_names]

    def compare_settings(self, file: str, names: Sequence[str]) -> None:
        """Compare the classes that settings have which are not read."""
        self._by_list[file] = tuple(names)
        if _differ(self.base, names):
            self._warned[self.file, file] = _both(self.base, file, names)

    def own(self, label_file: str, image: str) -> OwnClasses | None:
        """Return the classes that a label file counts by, None if they are those of the data."""
        listed = self._chosen.get((posixpath.dirname(label_file), posixpath.dirname(image)), self.file)
        if listed not in self._own:
            self._own[listed] = self._counted_by(self._by_list[listed])
        return self._own[listed]

    def _counted_by(self, names: tuple[str, ...]) -> OwnClasses | None:
        if not _differ(names, self.base) and len(names) <= len(self.base):
            return None
        exact = {name: number for number, name in enumerate(self.names)}
        plain = {_plain(name): number for number, name in reversed(list(enumerate(self.names)))}
        numbers = ((float(number), exact.get(name, plain[_plain(name)])) for number, name in enumerate(names))
        return OwnClasses(names, dict(numbers))

    def classes(self, highest: int) -> tuple[str, ...]:
        """Return the classes of the data, and of those that only further lists have as many as the highest label."""
        return tuple(self.names[: max(len(self.base), highest + 1)])

    def report(self, problems: list[Problem]) -> None:
        """Say which lists contradict each other."""
        for what, pairs in (("class-lists-contradict", self._refused), ("class-lists-differ", self._warned)):
            problems += [Problem(first, what, words) for (first, _), words in pairs.items()]
        followed = dict.fromkeys(self._chosen.values()) if not self._refused else {}
        for listed in [listed for listed in followed if _differ(self._by_list[listed], self.base)]:
            names, others = _shown(self._by_list[listed]), _shown(self.base)
            detail = f"it has {names}, {self.file} has {others}; each is followed where it lies"
            problems.append(Problem(listed, "class-lists-differ", detail))

    def _names_in(self, listed: str) -> tuple[str, ...]:
        """Return the names of a list, none of one that cannot be read."""
        if listed not in self._by_list:
            try:
                self._by_list[listed] = class_names(self.folder, listed)
            except FileError:
                self._by_list[listed] = ()
        return self._by_list[listed]

    def _strong(self, listed: str, beside: bool) -> bool:
        name = posixpath.basename(listed).casefold()
        return name in OF_LABELS or (beside and name != PROPOSED)

    def _compare(self, chosen: str, listed: str, *, strong: bool, undecided: bool) -> None:
        first, second = self._by_list[chosen], self._by_list[listed]
        if listed == chosen or not _differ(first, second):
            return
        if undecided or (strong and _moves(first, second)):
            self._refused[chosen, listed] = _both(first, listed, second)
        elif strong or set(map(_plain, first)) & set(map(_plain, second)):
            self._warned[chosen, listed] = _both(first, listed, second)


def _around(*places: str) -> Iterator[str]:
    """Yield these folders and all above each of them, once."""
    seen = set()
    for place in places:
        above = [place]
        while above[-1]:
            above.append(posixpath.dirname(above[-1]))
        for each in above:
            if each not in seen:
                seen.add(each)
                yield each


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _differ(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether a number means other classes: one list may be longer."""
    return any(_plain(a) != _plain(b) for a, b in zip(first, second, strict=False))


def _moves(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether a class has another number."""
    numbers = {_plain(name): number for number, name in enumerate(first)}
    return any(numbers.get(_plain(name), number) != number for number, name in enumerate(second))


def _both(first: Sequence[str], listed: str, second: Sequence[str]) -> str:
    return f"the classes are {_shown(first)}, but in {listed} {_shown(second)}"


def _shown(names: Sequence[str]) -> str:
    return f"({examples(map(repr, names))})"
