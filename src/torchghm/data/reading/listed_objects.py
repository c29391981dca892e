"""Images and objects that annotation files list by name, and their conversion to records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torchghm.data.evidence.class_codes import names_of
from torchghm.data.folders.finding import FoundFiles
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import Problem, examples
from torchghm.data.reading.coco.places import alike, may_be_of
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.stated_splits import StatedSplits


class ListedObject(NamedTuple):
    """An object that a file lists.

    Attributes:
        image: its image, as the file names it.
        name: of its class.
        box: four numbers in the form of the layout, NaN for each that the file lacks; None if it says nothing of use.
        reference: what the file counts objects by.
        crowd: not to be learned.
        partly: the file lacks some of the numbers, which the reader has noted.
    """

    image: str
    name: str
    box: Sequence[float] | None
    reference: int
    crowd: bool = False
    partly: bool = False


class ListedObjects:
    """All images and objects that the annotation file of a split lists.

    Arguments:
        file: the annotation file.
        starts: folders that names of images may be relative to.

    Attributes:
        sizes: the width and height of each image, as the file states them.
        objects: in the order of the file.
        stated: the splits that the file states of single images.
        wrong: descriptions of the objects of which something is wrong, by kind.
    """

    def __init__(self, file: str, starts: Sequence[str]) -> None:
        self.file, self.starts = file, starts
        self.sizes: dict[str, tuple[object, object]] = {}
        self.objects: list[ListedObject] = []
        self.stated = StatedSplits(file)
        self.wrong: dict[str, list[str]] = {}

    def note(self, kind: str, what: str) -> None:
        """Count something that is wrong, of a kind in `torchghm.data.KINDS`, with words that show where."""
        self.wrong.setdefault(kind, []).append(what)


def listed_records(
    folder: DataFolder,
    listed: dict[str, ListedObjects],
    annotations: dict[str, Annotations],
    problems: list[Problem],
) -> tuple[tuple[str, ...], dict[str, Records]]:
    """Return the classes, in alphabetical order, and the records of each split; what is wrong joins the problems.

    Arguments:
        folder: the data.
        listed: what the file of each split lists.
        annotations: of each split, empty; they say what four numbers of a box are.
        problems: so far.
    """
    found = {each.name for of_split in listed.values() for each in of_split.objects} - {""}
    named = names_of(folder, found, problems)
    classes = sorted(set(named.values()))
    labels = {name: classes.index(own) for name, own in named.items()}
    splits: dict[str, Records] = {}
    for split, of_split in listed.items():
        names = _add(folder, split, of_split, labels, annotations[split], problems)
        records = annotations[split].remaining(annotations[split].records(problems))
        splits |= of_split.stated.divide(split, records, alone=len(listed) == 1, names=names, problems=problems)
    return tuple(classes), splits


def _add(
    folder: DataFolder,
    split: str,
    listed: ListedObjects,
    labels: dict[str, int],
    annotations: Annotations,
    problems: list[Problem],
) -> dict[str, str]:
    """Add the images and objects of a file, and return the image file of each name that has one."""
    equals = alike(folder, split, listed.file)
    found = FoundFiles(folder, listed.sizes, tuple(listed.starts), lambda name: may_be_of(split, name), equals)
    found.report(listed.file, f"of {split!r}", problems)
    indices: dict[str, int] = {}
    for name, size in listed.sizes.items():
        image = found.by_name.get(name)
        if image is not None and image not in indices:
            indices[image] = annotations.add_image(image, listed.file, len(indices) + 1, *size)
    for each in listed.objects:
        index = indices.get(found.by_name.get(each.image, ""))
        if index is None:
            continue
        if each.box is None:
            annotations.add_lost(index)
        else:
            annotations.add_box(index, each.box, labels[each.name], each.reference, each.crowd, partly=each.partly)
    for kind, shown in listed.wrong.items():
        problems.append(Problem(listed.file, kind, f"{len(shown)}: {examples(shown)}", len(shown)))
    return found.by_name
