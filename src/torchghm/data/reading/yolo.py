"""YOLO: settings with the splits and class names, and for each image a text file of objects.

An object is a line `class x y width height`, with the box's centre and size as fractions of the image's sides, or
`class x1 y1 x2 y2 x3 y3 ...`, a polygon, of which the enclosing box is taken. Where `data.yaml` has a `kpt_shape`, the
box is followed by key points, which are left out.
"""

from __future__ import annotations

import posixpath

from torchghm.data.assumptions import Assumptions
from torchghm.data.evidence.class_lists import ClassLists
from torchghm.data.folders.finding import FoundFiles
from torchghm.data.folders.folder import DataFolder, is_inside
from torchghm.data.folders.patterns import fitting, is_pattern
from torchghm.data.images import SUFFIXES, UNDECODED
from torchghm.data.problems import FileError, Problem, Sample, common_place, examples, reported
from torchghm.data.reading.coco.places import may_be_of
from torchghm.data.reading.label_files import FEW, LabelFiles, usual_label_file
from torchghm.data.reading.label_lines import LabelLines
from torchghm.data.reading.yolo_sources import YoloSource, leads_to, other_settings, starts_of, yolo_source
from torchghm.data.records import Records
from torchghm.data.repairing.annotations import Annotations
from torchghm.data.splitting.split_names import SPLIT_NAMES
from torchghm.data.splitting.splits import in_split_order, listed_once
from torchghm.data.writing.kept import KEPT_FILE, read_kept

LOOKED_FOR = "data.yaml, obj.data, or classes.txt beside label files"
IMAGES = (*SUFFIXES, *UNDECODED)
LARGEST_LIST = 256 * 2**20

Read = tuple[tuple[str, ...], dict[str, Records]]


def read_yolo(folder: DataFolder, assumptions: Assumptions, problems: list[Problem]) -> Read:
    """Return the classes and splits of a YOLO folder; what is wrong joins the problems."""
    found = yolo_source(folder)
    if found is None:
        problems.append(Problem(LOOKED_FOR, "unusable-folder", "is not there"))
        return (), {}
    file, read = found
    source = YoloSource(file, (), {})
    with reported(problems, file):
        source = read(folder, file)
    splits = _splits(folder, source, problems)
    images = list(dict.fromkeys(image for of_split in splits.values() for image in of_split))
    labels = LabelFiles(folder, images)
    splits = _judged(splits, labels, assumptions, problems)
    annotations = Annotations(folder.root, "line", ("cxcywh", "fractions"), assumptions)
    lists = _class_lists(folder, source, labels, problems)
    lines = LabelLines(folder, lists.names)
    indices: dict[str, int] = {}
    ids: dict[str, int] = {}
    with reported(problems, KEPT_FILE):
        _, ids = read_kept(folder)
    for image in dict.fromkeys(image for of_split in splits.values() for image in of_split):
        label_file = labels.by_image.get(image, usual_label_file(image))
        indices[image] = annotations.add_image(image, label_file, ids.get(image, len(indices) + 1))
        with reported(problems, label_file):
            if image in labels.broken:
                raise labels.broken[image]
            if image in labels.by_image:
                lines.read(indices[image], label_file, lists.own(label_file, image))
    lines.add_to(annotations, source.key_points, problems)
    if images:
        labels.report(problems)
    if not source.places and not problems:
        problems.append(Problem(file, "malformed-annotations", "expected images under the key 'train', but got none"))
    records = annotations.records(problems)
    classes = lists.classes(int(records.labels.max(initial=-1)))
    if 0 not in records.labels and len(set(records.labels.tolist())) == len(classes) - 1 > 0:
        detail = f"no line has class 0 ({classes[0]!r}), lines have all others: do they count from 1?"
        problems.append(Problem(file, "first-class-unused", detail))
    return classes, in_split_order(
        {
            split: records.take(annotations.taken([indices[image] for image in of_split]))
            for split, of_split in splits.items()
        }
    )


def _class_lists(folder: DataFolder, source: YoloSource, labels: LabelFiles, problems: list[Problem]) -> ClassLists:
    """Return the class lists that label files are read by; those that contradict each other join the problems."""
    lists = ClassLists(folder, source.file, source.classes, stated=source.stated)
    if source.classes:
        for file, names in other_settings(folder, source.file).items():
            lists.compare_settings(file, names)
        lists.compare([(file, image) for image, file in labels.by_image.items()])
        lists.report(problems)
    return lists


def _splits(folder: DataFolder, source: YoloSource, problems: list[Problem]) -> dict[str, list[str]]:
    """Return the image files of each split."""
    splits: dict[str, list[str]] = {}
    for key, places in source.places.items():
        split = SPLIT_NAMES.get(key.casefold(), key)
        if split in splits:
            problems.append(Problem(source.file, "duplicate-split", f"{key!r} is a second list of {split!r}"))
        try:
            splits[split] = listed_once(split, _split_images(folder, source, key, places, problems), problems)
        except FileError as error:
            # A split for judging that is not there refuses itself, not the others.
            absent = split not in ("train", "all") and error.what == "malformed-annotations" and len(source.places) > 1
            problems.append(Problem(source.file, "absent-split" if absent else error.what, str(error)))
    return splits


def _split_images(
    folder: DataFolder, source: YoloSource, key: str, places: list[str], problems: list[Problem]
) -> list[str]:
    """Return the image files of a split: of a folder, of a list of images, or of several of these."""
    images: list[str] = []
    for place in places:
        for inner, listed in _of_pattern(folder, source, place) or [_place(folder, source, place, key, problems)]:
            start, named = inner, listed
            if listed is None or is_pattern(place):
                files = folder.files(inner, IMAGES, recursive=True) if listed is None else listed
                start, named = "", _decoded(files, key, problems)
            found = FoundFiles(folder, named or (), (start, ""), lambda name: may_be_of(key, name))
            found.report(source.file, f"of {key!r}", problems)
            images += [found.by_name[name] for name in named or () if name in found.by_name]
    return images


def _decoded(files: list[str], key: str, problems: list[Problem]) -> list[str]:
    """Return the image files that are decoded; others join the problems."""
    undecoded = [file for file in files if posixpath.splitext(file)[1].lower() in UNDECODED]
    if undecoded:
        detail = f"{len(undecoded)} of {key!r}: {examples(undecoded)}"
        problems.append(Problem(common_place(undecoded), "undecoded-image", detail, len(undecoded)))
    left_out = set(undecoded)
    return [file for file in files if file not in left_out]


def _of_pattern(folder: DataFolder, source: YoloSource, place: str) -> list[tuple[str, list[str] | None]]:
    """Return the folders and the list of images that an entry with `*` or `?` stands for; nothing of any other."""
    starts = starts_of(source, place) if is_pattern(place) else []
    for start in starts if not any(leads_to(folder, start) for start in starts) else ():  # a name may have such signs
        folders, files = fitting(folder, posixpath.normpath(start))
        folders = [each for each in folders if not any(each != top and is_inside(each, top) for top in folders)]
        images = [file for file in files if file.lower().endswith(IMAGES)]
        images = [file for file in images if not any(is_inside(file, top) for top in folders)]
        if folders or images:
            return [*((each, None) for each in folders), *([("", images)] if images else [])]
    return []


def _place(
    folder: DataFolder, source: YoloSource, place: str, key: str, problems: list[Problem]
) -> tuple[str, list[str] | None]:
    """Return the folder of images that an entry of a split stands for; of a list its folder, and what it names."""
    outside: FileError | None = None
    inner = listed = None
    for candidate in starts_of(source, place):
        try:
            inner, listed, outside = folder.folder(candidate), folder.file(candidate), None
        except FileError as error:
            outside = error
            continue
        if inner is not None or listed is not None:
            break
    if inner is None and listed is None:
        try:
            inner = folder.folder_named(place)
            is_list = inner is None and place.casefold().endswith(".txt")
            listed = folder.named(place, (posixpath.dirname(source.file), ""))[0] if is_list else None
        except FileError as error:
            outside = outside or error
        if inner is not None or listed is not None:
            detail = f"1: {place!r} is {inner or listed!r}"
            problems.append(Problem(source.file, "file-by-other-name", detail))
    if inner is not None:
        return inner, None
    if listed is not None:
        lines = folder.read_text(listed, LARGEST_LIST).splitlines()
        return posixpath.dirname(listed), [line.strip() for line in lines if line.strip()]
    if outside is not None:
        raise FileError(f"under {key!r}: {outside}", outside.what)
    raise FileError(f"expected a folder or a list of images in the data folder under {key!r}, but got {place!r}")


def _judged(
    splits: dict[str, list[str]], labels: LabelFiles, assumptions: Assumptions, problems: list[Problem]
) -> dict[str, list[str]]:
    """Say what becomes of images without a label file, and return the splits that are left."""
    kept = {}
    for split, images in splits.items():
        missing = labels.missing(images)
        if not missing or assumptions.unlabelled == "background":
            what = "background-image"
        elif len(missing) == len(images) and split not in ("train", "val", "all"):
            what = "unlabelled-split"
        else:
            what = "missing-labels" if len(missing) > FEW * len(images) else "unlabelled-image"
        if what != "unlabelled-split":
            kept[split] = images
        if missing:
            shown = examples(f"{image} (looked for {usual_label_file(image)})" for image in missing)
            detail = f"{len(missing)} of the {len(images)} images of {split!r}: {shown}"
            problems.append(Problem(common_place(missing), what, detail, len(missing), Sample(missing[0])))
    return kept
