"""`torchghm review --apply`: a corrected copy of a data set, from what a person decided."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchghm.atomic_files import write_json
from torchghm.data.load import DetectionData
from torchghm.data.records import Records
from torchghm.data.writing.conversion import LAYOUTS, write_data
from torchghm.review.findings import KINDS

LOG_FILE = "corrections.json"
FORM = 1
"""Version of the form of the file of decisions."""
VERDICTS = ("accept", "reject", "skip")
_REMOVALS = ("spurious", "duplicate")
"""Kinds of findings whose label should go."""
_ABOUT = ("finding", "kind", "image", "class", "box", "suggested_class", "suggested_box")
"""Keys that say which finding a decision is about; names alone are those of one review."""
_NEAREST = 0.02
"""How far, in pixels, the corners of a label may be from those in a decision, which are rounded."""


def read_decisions(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the decisions that the page saved.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no decisions, some that are not whole, or two on one finding that disagree.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of decisions {str(path)!r}: the page of `torchghm review` saves one")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("torchghm_review") != FORM:
        raise ValueError(f"Expected the decisions that a page of `torchghm review` saved, but got {str(path)!r}")
    decisions = content.get("decisions")
    if not isinstance(decisions, list) or not all(isinstance(decision, dict) for decision in decisions):
        found = type(decisions).__name__ if not isinstance(decisions, list) else "other entries"
        raise ValueError(f"{str(path)!r}: expected a list of objects under the key 'decisions', but got {found}")
    for number, decision in enumerate(decisions):
        _check(decision, f"{str(path)!r}, decision {number}")
    return _each_once(decisions, str(path))


def write_corrected(data: DetectionData, decisions: Sequence[Mapping[str, Any]], out: str | os.PathLike[str]) -> Path:
    """Write a copy of a data set in its own layout, with what was accepted put in place of what it has.

    A layout that is read only (CSV, shards) becomes COCO's. The copy's `corrections.json` lists every change.

    Arguments:
        data: read with `val_fraction=0, test_fraction=0`, it keeps its own splits.
        decisions: `read_decisions`.
        out: the folder to make, outside of the data's own; there must be none, or an empty one.

    Returns:
        The folder.

    Raises:
        ValueError: decisions about images, classes or labels that the data do not have, or two that can't both be
            made; nothing is written then.
        FileExistsError: the folder is there and not empty.
    """
    accepted = [decision for decision in decisions if decision["decision"] == "accept"]
    splits: dict[str, Records] = {}
    found: set[int] = set()
    for split, records in data.splits.items():
        splits[split], there = _corrected(records, data.classes, accepted)
        found |= there
    if absent := [decision for number, decision in enumerate(accepted) if number not in found]:
        shown = "; ".join(_described(decision) for decision in absent[:5])
        more = f"; and {len(absent) - 5} more" if len(absent) > 5 else ""
        raise ValueError(f"{len(absent)} decisions are about what is not in {str(data.root)!r}: {shown}{more}")
    layout = data.layout if data.layout in LAYOUTS else "coco"
    made = write_data(replace(data, splits=splits), out, to=layout)
    counts = {verdict: sum(decision["decision"] == verdict for decision in decisions) for verdict in VERDICTS}
    write_json(made / LOG_FILE, {"decisions": counts, "changes": accepted})
    return made


def _each_once(decisions: Sequence[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """Return the decisions without repeats, which files that were joined may have."""
    once: dict[str, dict[str, Any]] = {}
    for decision in decisions:
        about = json.dumps([decision[key] for key in _ABOUT])
        before = once.setdefault(about, decision)["decision"]
        if before != decision["decision"]:
            raise ValueError(
                f"{path!r}: expected one decision on the finding {_described(decision)}, but got {before!r} and "
                f"{decision['decision']!r}"
            )
    return [*once.values()]


def _corrected(
    records: Records, classes: Sequence[str], accepted: Sequence[Mapping[str, Any]]
) -> tuple[Records, set[int]]:
    """Return the images of a split with their corrections, and which of the decisions were about them."""
    places = {name: index for index, name in enumerate(records.names())}
    boxes, labels, area = records.boxes.copy(), records.labels.copy(), records.area.copy()
    image = np.repeat(np.arange(len(records)), np.diff(records.offsets))
    kept = np.ones(len(labels), dtype=bool)
    added: list[tuple[int, int, Sequence[float]]] = []
    found: set[int] = set()
    changes: dict[int, list[Mapping[str, Any]]] = {}  # of each label
    for number, decision in enumerate(accepted):
        index = places.get(decision["image"])
        if index is None or (decision["suggested_class"] or decision["class"]) not in classes:
            continue
        if decision["suggested_box"] and not _has_area(_inside(decision["suggested_box"], records, index)):
            continue
        if decision["kind"] == "missing":
            found.add(number)
            added.append((index, classes.index(decision["suggested_class"]), decision["suggested_box"]))
            continue
        rows = _rows(records, index, classes, decision)
        if not rows:
            continue
        found.add(number)
        # Of labels that are the same in everything each decision gets its own.
        row = min(rows, key=lambda row: len(changes.get(row, ())))
        for other in changes.setdefault(row, []):
            _check_agree(other, decision)
        changes[row].append(decision)
        if decision["kind"] in _REMOVALS:
            kept[row] = False
        elif decision["kind"] == "wrong class":
            labels[row] = classes.index(decision["suggested_class"])
        else:
            boxes[row] = _inside(decision["suggested_box"], records, index)
            area[row] = np.prod(boxes[row, 2:] - boxes[row, :2])
    new_boxes = np.array([_inside(box, records, index) for index, _, box in added], np.float32).reshape(-1, 4)
    image = np.concatenate([image[kept], np.array([index for index, _, _ in added], np.int64)])
    order = np.argsort(image, kind="stable")
    counts = np.bincount(image, minlength=len(records))
    corrected = Records(
        records.root,
        records.names(),
        widths=records.widths,
        heights=records.heights,
        image_ids=records.image_ids,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        boxes=np.concatenate([boxes[kept], new_boxes])[order],
        labels=np.concatenate([labels[kept], np.array([label for _, label, _ in added], np.int64)])[order],
        crowd=np.concatenate([records.crowd[kept], np.zeros(len(added), bool)])[order],
        area=np.concatenate([area[kept], np.prod(new_boxes[:, 2:] - new_boxes[:, :2], axis=1)])[order],
        members=records.members,
        own_ids=records.own_ids,
    )
    return corrected, found


def _rows(records: Records, image: int, classes: Sequence[str], decision: Mapping[str, Any]) -> list[int]:
    """Return the labels that a decision may be about, by class and box: another reader may count places otherwise."""
    if decision["class"] not in classes:
        return []
    rows = np.arange(int(records.offsets[image]), int(records.offsets[image + 1]))
    apart = np.abs(records.boxes[rows] - np.array(decision["box"], np.float32)).max(axis=1, initial=0.0)
    same: list[int] = rows[(apart <= _NEAREST) & (records.labels[rows] == classes.index(decision["class"]))].tolist()
    return same


def _check_agree(first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Refuse two corrections of one label that can't both be made: removed and changed, or changed in two ways."""
    removals = sum(decision["kind"] in _REMOVALS for decision in (first, second))
    key = {"wrong class": "suggested_class", "misplaced": "suggested_box"}.get(first["kind"])
    in_two_ways = key is not None and first["kind"] == second["kind"] and first[key] != second[key]
    if removals == 1 or in_two_ways:
        raise ValueError(
            f"Expected accepted decisions that agree on a label, but got {first['kind']} and {second['kind']} for "
            f"{_described(second)}"
        )


def _inside(box: Sequence[float], records: Records, image: int) -> NDArray[np.float32]:
    width, height = float(records.widths[image]), float(records.heights[image])
    return np.clip(np.array(box, np.float32), 0, np.array([width, height] * 2, np.float32))


def _has_area(box: NDArray[np.float32]) -> bool:
    return bool((box[2:] > box[:2]).all())


def _check(decision: dict[str, Any], where: str) -> None:
    for key, allowed in (("decision", VERDICTS), ("kind", KINDS)):
        if decision.get(key) not in allowed:
            raise ValueError(
                f"{where}: expected {key!r} to be one of {', '.join(allowed)}, but got {decision.get(key)!r}"
            )
    for key in ("image", "finding"):
        if not isinstance(decision.get(key), str):
            raise ValueError(f"{where}: expected text under the key {key!r}, but got {decision.get(key)!r}")
    needs_old = decision["kind"] != "missing"
    needs_class = decision["kind"] in ("missing", "wrong class")
    needs_box = decision["kind"] in ("missing", "misplaced")
    for key, needed in (("class", needs_old), ("suggested_class", needs_class)):
        if not isinstance(decision.setdefault(key, None), str | None) or (needed and decision[key] is None):
            raise ValueError(f"{where}: expected the name of a class under the key {key!r}, but got {decision[key]!r}")
    for key, needed in (("box", needs_old), ("suggested_box", needs_box)):
        if (needed or decision.setdefault(key, None) is not None) and not _is_box(decision.get(key)):
            raise ValueError(f"{where}: expected x1, y1, x2, y2 under the key {key!r}, but got {decision.get(key)!r}")


def _is_box(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    if not all(type(side) in (int, float) and np.isfinite(side) for side in value):
        return False
    return bool(value[0] < value[2] and value[1] < value[3])


def _described(decision: Mapping[str, Any]) -> str:
    what = decision["class"] if decision["kind"] != "missing" else f"a new {decision['suggested_class']}"
    return f"{decision['finding']} ({what} at {decision['box'] or decision['suggested_box']} in {decision['image']})"
