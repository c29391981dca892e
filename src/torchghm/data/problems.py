"""What is wrong with a data set, in words that name the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

# Kind -> (fatal, what it means). A fatal problem makes the data unusable; any other one has been dealt with.
KINDS: dict[str, tuple[bool, str]] = {
    "unusable-folder": (True, "the folder cannot be read as a data set"),
    "malformed-annotations": (True, "the annotation file cannot be read"),
    "missing-annotations": (True, "a listed image has no annotation file"),
    "missing-image": (True, "an annotated image is not there"),
    "unreadable-image": (True, "an image cannot be decoded"),
    "unusable-shard": (True, "a tar shard is missing, or is not the one that its index was made for"),
    "size-mismatch": (True, "the annotation states another image size than the image has"),
    "path-outside": (True, "a name leads out of the data folder"),
    "unknown-category": (True, "an object has a category that is not defined"),
    "duplicate-category": (True, "two categories share an id"),
    "duplicate-split": (True, "two lists of images are of one split"),
    "duplicate-image-id": (True, "two images share an id"),
    "no-training-boxes": (True, "there is no box at all to train with"),
    "not-trainable": (True, "training needs boxes in 'train' to learn from, and in 'val' to be judged by"),
    "no-boxes": (False, "a split has no box at all: AP cannot be measured on it"),
    "shared-image": (False, "an image is in more than one split"),
    "repeated-image": (False, "an image is listed twice in one split"),
    "repeated-category-name": (False, "categories of the same name are taken as one class"),
    "annotation-without-image": (False, "objects of an image that is not listed, dropped"),
    "unlisted-annotations": (False, "annotation files that no list of a split names, left out"),
    "repeated-annotation": (False, "objects listed again with the same id and all else, dropped"),
    "box-malformed": (False, "boxes that are not four numbers, dropped"),
    "box-not-finite": (False, "boxes with NaN or infinite coordinates, dropped"),
    "box-without-area": (False, "boxes of zero or negative width or height, dropped"),
    "box-outside": (False, "boxes wholly outside their image, dropped"),
    "box-not-normalised": (False, "boxes whose coordinates are not in 0..1, dropped"),
    "box-clipped": (False, "boxes partly outside their image, clipped to it"),
}


def counted(problems: Iterable[Problem]) -> list[str]:
    """Return a line a kind of problem: how many objects or images, and what was done about them."""
    totals: dict[str, int] = {}
    for problem in problems:
        totals[problem.what] = totals.get(problem.what, 0) + problem.count
    return [f"{what}: {count} ({KINDS[what][1]})" for what, count in totals.items()]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one file.

    Attributes:
        file: the file, relative to the data folder where it lies in it.
        what: a stable name of the kind of problem, one of `KINDS`.
        detail: what exactly, for a reader.
        count: how many objects or images are concerned.
    """

    file: str
    what: str
    detail: str
    count: int = 1

    @property
    def fatal(self) -> bool:
        """Whether the data cannot be used before this is repaired."""
        return KINDS[self.what][0]

    def __str__(self) -> str:
        return printable(" ".join(f"{self.file}: {self.what}: {self.detail}".split()))


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


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "..."


def printable(text: str, keep: str = "") -> str:
    """Return the text without what would disturb a terminal: names in data are not to be trusted."""
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text)
