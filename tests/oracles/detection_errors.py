"""Detections sorted one after another, as the definitions say it: matching, kinds of errors, confusions."""

from __future__ import annotations

from typing import NamedTuple

Box = tuple[float, float, float, float]


class Detection(NamedTuple):
    box: Box
    label: int
    score: float


class Object(NamedTuple):
    box: Box
    label: int
    crowd: bool


def area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared(a: Box, b: Box) -> float:
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def iou(a: Box, b: Box) -> float:
    return shared(a, b) / (area(a) + area(b) - shared(a, b))


def outcomes(detections: list[Detection], objects: list[Object]) -> list[tuple[Detection, Object | None]]:
    """Every detection that counts, the highest score first, with the object that it found."""
    free = [thing for thing in objects if not thing.crowd]
    result: list[tuple[Detection, Object | None]] = []
    for detection in sorted(detections, key=lambda found: -found.score):
        own = [thing for thing in free if thing.label == detection.label and iou(detection.box, thing.box) >= 0.5]
        if own:
            best = max(own, key=lambda thing: iou(detection.box, thing.box))
            free.remove(best)
            result.append((detection, best))
        elif not any(
            thing.crowd
            and thing.label == detection.label
            and shared(detection.box, thing.box) / area(detection.box) >= 0.5
            for thing in objects
        ):
            result.append((detection, None))
    return result


def error_kinds(detections: list[Detection], objects: list[Object]) -> dict[str, list[int]]:
    """Classes of the errors of each kind."""
    real = [thing for thing in objects if not thing.crowd]
    kinds: dict[str, list[int]] = {
        name: [] for name in ("missed", "wrong_class", "badly_placed", "duplicate", "on_background")
    }
    sorted_out = outcomes(detections, objects)
    covered = [found for _, found in sorted_out if found is not None]
    for detection, found in sorted_out:
        if found is not None:
            continue
        own = [thing for thing in real if thing.label == detection.label]
        others = [thing for thing in real if thing.label != detection.label]
        if any(iou(detection.box, thing.box) >= 0.5 for thing in own):
            kinds["duplicate"].append(detection.label)
        elif any(iou(detection.box, thing.box) >= 0.5 for thing in others):
            kinds["wrong_class"].append(detection.label)
            covered += [thing for thing in others if iou(detection.box, thing.box) >= 0.5]
        elif any(iou(detection.box, thing.box) >= 0.1 for thing in own):
            kinds["badly_placed"].append(detection.label)
            covered += [thing for thing in own if iou(detection.box, thing.box) >= 0.1]
        else:
            kinds["on_background"].append(detection.label)
    kinds["missed"] = [thing.label for thing in real if thing not in covered]
    return kinds


def confusions(detections: list[Detection], objects: list[Object]) -> list[tuple[int | None, int | None]]:
    """Pairs of true and detected class; None is the background."""
    sorted_out = outcomes(detections, objects)
    pairs: list[tuple[int | None, int | None]] = [
        (found.label, detection.label) for detection, found in sorted_out if found is not None
    ]
    taken = [found for _, found in sorted_out if found is not None]
    free = [thing for thing in objects if not thing.crowd and thing not in taken]
    for detection, found in sorted_out:
        if found is None:
            near = [thing for thing in free if iou(detection.box, thing.box) >= 0.5]
            best = max(near, key=lambda thing: iou(detection.box, thing.box), default=None)
            pairs.append((None if best is None else best.label, detection.label))
            if best is not None:
                free.remove(best)
    return pairs + [(thing.label, None) for thing in free]
