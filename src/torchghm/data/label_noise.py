"""Known errors for labels: wrong classes, shifted, missing and spurious boxes at a stated rate."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

KINDS = ("class", "shifted", "missing", "spurious")


def add_label_noise(
    instances: dict[str, Any], rate: float, seed: int, first_new_id: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return COCO instances with wrong labels, and the list of what was changed.

    Arguments:
        instances: COCO's images, annotations and categories; not changed.
        rate: errors as a fraction of the annotations without crowds, in [0, 1]; each kind gets a quarter, or a third
            with a single category, which no other can be taken for. Every annotation has at most one error; a
            spurious box is an additional annotation. Crowds stay as they are.
        seed: of the choice.
        first_new_id: the id of the first spurious annotation; all from there on are free.

    Returns:
        The instances, and for each error `kind` (one of `KINDS`), `image_id`, `annotation_id` and `original`: the
        `category_id` and `bbox` that were right, None for a spurious box.
    """
    noisy = deepcopy(instances)
    annotations, images = noisy["annotations"], {image["id"]: image for image in noisy["images"]}
    categories = [category["id"] for category in noisy["categories"]]
    possible = [kind for kind in KINDS if kind != "class" or len(categories) > 1]
    objects = [index for index, annotation in enumerate(annotations) if not annotation.get("iscrowd")]
    rng = np.random.default_rng([seed, len(annotations)])
    errors = round(rate * len(objects))
    kinds = rng.permutation([possible[index % len(possible)] for index in range(errors)])
    chosen = rng.permutation(len(objects))[:errors]
    next_id = first_new_id
    missing: set[int] = set()
    changes: list[dict[str, Any]] = []
    for kind, index in zip(kinds, chosen, strict=True):
        annotation = annotations[objects[index]]
        image = images[annotation["image_id"]]
        original = {"category_id": annotation["category_id"], "bbox": annotation["bbox"]}
        change = {"kind": str(kind), "image_id": image["id"], "annotation_id": annotation["id"], "original": original}
        if kind == "class":
            others = [category for category in categories if category != annotation["category_id"]]
            annotation["category_id"] = int(rng.choice(others))
        elif kind == "shifted":
            _set_box(annotation, _shifted(rng, annotation["bbox"], image))
        elif kind == "missing":
            missing.add(annotation["id"])
        else:
            spurious = {**annotation, "id": next_id, "category_id": int(rng.choice(categories))}
            _set_box(spurious, _anywhere(rng, annotation["bbox"], image))
            annotations.append(spurious)
            change.update(annotation_id=next_id, original=None)
            next_id += 1
        changes.append(change)
    noisy["annotations"] = [annotation for annotation in annotations if annotation["id"] not in missing]
    return noisy, sorted(changes, key=lambda change: int(change["annotation_id"]))


def _set_box(annotation: dict[str, Any], bbox: list[float]) -> None:
    annotation.update(bbox=bbox, area=bbox[2] * bbox[3])


def _shifted(rng: np.random.Generator, bbox: list[float], image: dict[str, Any]) -> list[float]:
    """Return the box moved by 0.3 to 0.6 of each of its sides: inwards where there is room, else cut at the border."""
    x, y, width, height = bbox
    starts, sides = [], []
    for start, side, limit in ((x, width, image["width"]), (y, height, image["height"])):
        # Whole pixels, as long as that is a part of the side.
        distance = min(max(1, round(rng.uniform(0.3, 0.6) * side)), 0.6 * side if side < 2 else side)
        distance *= int(rng.choice((-1, 1)))
        if not 0 <= start + distance <= limit - side and 0 <= start - distance <= limit - side:
            distance = -distance
        begin, end = max(0, start + distance), min(limit, start + distance + side)
        starts.append(begin)
        sides.append(side if 0 <= start + distance <= limit - side else end - begin)
    return [*starts, *sides]


def _anywhere(rng: np.random.Generator, bbox: list[float], image: dict[str, Any]) -> list[float]:
    """Return a box of this size, but at most half of the image's sides, somewhere in the image."""
    width, height = min(bbox[2], image["width"] / 2), min(bbox[3], image["height"] / 2)
    x = int(rng.integers(0, int(image["width"] - width) + 1))
    y = int(rng.integers(0, int(image["height"] - height) + 1))
    return [x, y, width, height]
