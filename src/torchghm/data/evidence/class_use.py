"""Classes that the objects of a data set put in doubt: nothing to train with, or the name of what is no object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from torchghm.data.problems import Problem, examples
from torchghm.data.records import Records

JUDGED_ON = ("val", "test")
NO_OBJECT = frozenset(
    (
        *("background", "bg", "void", "nothing", "none", "null", "nan", "negative", "noobject", "nofinding"),
        *("unlabeled", "unlabelled", "ignore", "ignored", "ignoreregion", "ignoredregion"),
        *("ignoredregions", "dontcare"),
    )
)
"""Names of classes without blanks and signs, which tools give to regions that hold no object of a class."""


def is_of_no_object(name: str) -> bool:
    """Return whether a class is called as if it were none."""
    return re.sub(r"[\W_]", "", name.casefold()) in NO_OBJECT


def use_problems(classes: Sequence[str], splits: Mapping[str, Records]) -> list[Problem]:
    """Return classes without an object to train with, where others judge by some, and classes of no object."""
    counts = {name: _objects(records, len(classes)) for name, records in splits.items()}
    return [*_untrained(classes, counts), *_of_no_object(classes, counts)]


def _objects(records: Records, classes: int) -> list[int]:
    found: list[int] = np.bincount(records.labels[~records.crowd], minlength=classes).tolist()
    return found


def _untrained(classes: Sequence[str], counts: Mapping[str, list[int]]) -> list[Problem]:
    train = counts.get("train", [])
    if not any(train):
        return []
    shown, count = [], 0
    for label, name in enumerate(classes):
        others = {split: counts[split][label] for split in JUDGED_ON if split in counts and counts[split][label]}
        if others and not train[label]:
            shown.append(f"{name!r} ({' and '.join(f'{number} in {split!r}' for split, number in others.items())})")
            count += sum(others.values())
    return [Problem("classes", "class-not-in-train", f"{len(shown)}: {examples(shown)}", count)] if shown else []


def _of_no_object(classes: Sequence[str], counts: Mapping[str, list[int]]) -> list[Problem]:
    problems = []
    for label, name in enumerate(classes):
        objects = sum(of_split[label] for of_split in counts.values())
        if objects and is_of_no_object(name):
            detail = f"{objects} objects of {name!r}, learned like those of any class"
            problems.append(Problem("classes", "class-of-no-object", detail, objects))
    return problems
