"""Problems of a data set, in words that name the file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from torchghm.data.problem_kinds import KINDS
from torchghm.printable import printable


def counted(problems: Iterable[Problem]) -> list[str]:
    """Return a line a kind of problem: how many objects or images, and what was done about them."""
    totals: dict[str, int] = {}
    for problem in problems:
        totals[problem.what] = totals.get(problem.what, 0) + problem.count
    return [f"{what}: {count} ({KINDS[what].meaning})" for what, count in totals.items()]


class Sample(NamedTuple):
    """The place where a problem can be looked at: an image, and corners in its pixels, which need not be in order."""

    image: str
    box: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one file.

    Attributes:
        file: the file, relative to the data folder where it lies in it.
        what: a stable name of the kind of problem, one of `torchghm.data.KINDS`.
        detail: what exactly, for a reader.
        count: how many objects or images are concerned.
        sample: one of them, if it has a place in an image.
    """

    file: str
    what: str
    detail: str
    count: int = 1
    sample: Sample | None = field(default=None, compare=False, repr=False)

    @property
    def fatal(self) -> bool:
        """Whether the data cannot be used before this is repaired."""
        return KINDS[self.what].fatal

    @property
    def doubtful(self) -> bool:
        """Whether `strict` refuses it: all but notes."""
        return not KINDS[self.what].note

    def __str__(self) -> str:
        remedy = KINDS[self.what].remedy
        said = f"; {remedy}" if self.fatal and "--" in remedy else ""  # what the user alone can say
        return printable(" ".join(f"{self.file}: {self.what}: {self.detail}{said}".split()))


class DataError(ValueError):
    """Data that cannot be used; `problems` says why."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class FileError(ValueError):
    """A file that cannot be used: `what` is the kind of problem; the message says why, the reader adds the name."""

    def __init__(self, reason: str, what: str = "malformed-annotations") -> None:
        super().__init__(_short(reason, 400))
        self.what = what


@contextmanager
def reported(problems: list[Problem], file: str) -> Iterator[None]:
    """Turn a `FileError` in the block into a problem of this file, and go on after the block."""
    try:
        yield
    except FileError as error:
        problems.append(Problem(file, error.what, str(error)))


def refuse(root: object, problems: Sequence[Problem], shown: int = 5) -> DataError:
    """Return the error for data that these problems make unusable; the first few are spelled out."""
    lines = [f"  {problem}" for problem in problems[:shown]]
    if len(problems) > shown:
        lines.append(f"  ... and {len(problems) - shown} more (`torchghm data check` lists all)")
    return DataError(printable(f"the data in {root} cannot be used:\n" + "\n".join(lines), keep="\n"), problems)


def examples(items: Iterable[object], shown: int = 3) -> str:
    """Return the first few items as text: "17, 18, 20, ..."."""
    texts = [_short(str(item), 100) for item in items]
    return ", ".join(texts[:shown]) + (", ..." if len(texts) > shown else "")


def per_file(what: str, found: Sequence[tuple[str, str]], unit: str = "") -> Problem:
    """Return one problem of objects that may lie in many files.

    Arguments:
        what: the kind.
        found: the file and what is wrong there, of each object.
        unit: what is counted ("lines"), said where there are several files.
    """
    files = list(dict.fromkeys(file for file, _ in found))
    if len(files) == 1:
        return Problem(files[0], what, f"{len(found)}: {examples(text for _, text in found)}", len(found))
    shown = examples(f"{file} {text}" for file, text in found)
    return Problem(common_place(files), what, f"{len(found)} {unit} in {len(files)} files: {shown}", len(found))


def common_place(files: Iterable[str]) -> str:
    """Return the folder that all of these files lie in, relative to the data folder."""
    try:
        return posixpath.commonpath([posixpath.dirname(file) for file in files]) or "."
    except ValueError:  # a name that data made up may begin with a slash
        return "."


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "..."
