"""Names of splits, and how a data set without any is split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from torchghm.data.problem_kinds import KINDS
from torchghm.data.problems import Problem, examples
from torchghm.data.records import Records

# Splits that are made to be divided; a lone "test" is not.
UNDIVIDED = ("all", "default", "train", "trainval")

Value = TypeVar("Value")


def in_split_order(splits: Mapping[str, Value]) -> dict[str, Value]:
    """Return the splits with train, val and test first."""
    known = [name for name in ("train", "val", "test") if name in splits]
    return {name: splits[name] for name in (*known, *(name for name in splits if name not in known))}


def to_divide(splits: Mapping[str, Records]) -> str | None:
    """Return the split that others are to be taken from: a lone one, or what there is to train with where no val is."""
    names = [name for name in UNDIVIDED if len(splits.get(name, ()))]
    if not names or (len(splits) > 1 and ("val" in splits or "test" not in splits)):
        return None
    return "train" if "train" in names else names[0]


def split_by_seed(records: Records, val_fraction: float, test_fraction: float, seed: int) -> dict[str, Records]:
    """Divide images at random into train, val and test; the same seed gives the same splits.

    Arguments:
        records: all images.
        val_fraction: of the images, at least one image unless 0.
        test_fraction: likewise.
        seed: of the division.

    Raises:
        ValueError: too few images to divide.
    """
    sizes = {"val": val_fraction, "test": test_fraction}
    counts = {name: max(1, round(len(records) * fraction)) for name, fraction in sizes.items() if fraction > 0}
    if sum(counts.values()) >= len(records):
        wanted = " and ".join(f"{count} for {name}" for name, count in counts.items())
        raise ValueError(f"Expected more images to split than {len(records)}: {wanted} leave none to train with")
    # Sorted by name first: the order in an annotation file is no property of the data.
    by_name = sorted(range(len(records)), key=records.name)
    order = np.array(by_name)[np.random.default_rng(seed).permutation(len(records))]
    parts = {}
    for name, count in counts.items():
        parts[name], order = records.take(np.sort(order[:count])), order[count:]
    return in_split_order({"train": records.take(np.sort(order)), **parts})


def listed_once(split: str, files: Sequence[str], problems: list[Problem]) -> list[str]:
    """Return the files of a split, each once; repetitions join the problems."""
    once = list(dict.fromkeys(files))
    if len(once) < len(files):
        again = [file for file, times in Counter(files).items() if times > 1]
        count = len(files) - len(once)
        problems.append(Problem(split, "repeated-image", f"{count} in {split!r}: {examples(again)}", count))
    return once


def check_splits(splits: Mapping[str, Records], problems: list[Problem]) -> None:
    """Report splits without images or boxes, and images that are in two of train, val and test."""
    failed = any(problem.fatal for problem in problems)
    causes = [p for p in problems if KINDS[p.what].drops or p.what == "annotation-without-image"]
    for name, records in splits.items():
        if not records.crowd.all() or failed:  # or a consequence of what is reported already
            continue
        what = "no-training-boxes" if name in UNDIVIDED else "no-boxes"
        detail = f"none of the {len(records)} images of {name!r} has a box"
        if causes:  # the cause before the consequence
            lost = sum(problem.count for problem in causes)
            detail = f"all objects of {name!r} were dropped, {lost} in all splits: {causes[0].what}: {causes[0].detail}"
        elif len(records.crowd):
            what = "all-crowds" if name in UNDIVIDED else what
            detail = f"all {len(records.crowd)} objects of {name!r} are crowds or difficult"
        problems.append(Problem(name, what, detail, max(len(records), 1)))
    names = {split: splits[split].names() for split in ("train", "val", "test") if split in splits}
    for split, of_split in names.items():
        if repeated := len(of_split) - len(set(of_split)):
            problems.append(Problem(split, "repeated-image", f"{repeated} in {split!r}", repeated))
    pairs = [(first, second) for first in names for second in names if first < second]
    for first, second in pairs:
        if shared := sorted(set(names[first]) & set(names[second])):
            detail = f"{len(shared)} in {first!r} and {second!r}: {examples(map(repr, shared))}"
            problems.append(Problem(first, "shared-image", detail, len(shared)))
