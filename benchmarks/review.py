"""How well wrong labels are found: `python -m benchmarks.review NAME=RUN:DATA ...`.

Each data set is a copy that `torchghm data noise` made, each run a training on it. Printed are the figures of torchghm
(weights of the other data sets only, so that none judges its own, and the shipped ones) and of its peers on the
detections of the same model: cleanlab's ObjectLab, FiftyOne's mistakenness formula, the loss of each object, its final
score, and the area under its margin; then the weights that `torchghm.review.verdict` holds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.review_truth import load_truth
from torchghm.review.evidence import Evidence, gather_evidence
from torchghm.review.features import is_strongest, object_features, place_features
from torchghm.review.verdict import object_scores, place_scores
from torchghm.training.evaluation.label_review import run_comparison

KINDS = ("", "class", "shifted", "spurious")


def main(arguments: list[str]) -> None:
    """Print the tables."""
    sets = {name: read(*place.split(":")) for name, _, place in (argument.partition("=") for argument in arguments)}
    print("| data | method | AUROC | AP | P@k | AP class | AP shifted | AP spurious | AP missing |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, case in sets.items():
        others = [other for key, other in sets.items() if key != name]
        if others:
            show(name, "torchghm, weights of the other sets", case, *predicted(fit(others), case))
        show(name, "torchghm", case, case["scores"], case["place_scores"])
        for peer, (objects, places) in case["peers"].items():
            show(name, peer, case, objects, places)
    objects, places = fit(list(sets.values()))
    print("objects", np.c_[objects.intercept_, objects.coef_].round(2).tolist())
    print("places", np.r_[places.intercept_, places.coef_[0]].round(2).tolist())


def read(run: str, data: str) -> dict[str, Any]:
    """Gather the features, the truth and the peers' scores of a run."""
    records, _, detections, memory = run_comparison(run, data)
    evidence = gather_evidence(records, detections, memory)
    truth = load_truth(Path(data), records, evidence.agreement)
    return {
        "objects": object_features(records, evidence, memory),
        "kinds": np.array([KINDS.index(str(kind)) for kind in truth.objects]),
        "places": place_features(records, evidence),
        "strongest": is_strongest(evidence),
        "missing": truth.places,
        "scores": object_scores(records, evidence, memory),
        "place_scores": place_scores(records, evidence),
        "peers": peers(records, detections, memory, evidence),
    }


def fit(cases: list[dict[str, Any]]) -> tuple[LogisticRegression, LogisticRegression]:
    """Fit the two regressions on several data sets, each of which counts the same for objects."""
    weight = np.concatenate([np.full(len(case["kinds"]), 1000 / len(case["kinds"])) for case in cases])
    features, kinds = (np.concatenate([case[key] for case in cases]) for key in ("objects", "kinds"))
    objects = LogisticRegression(max_iter=2000).fit(features, kinds, sample_weight=weight)
    known = [case["strongest"] & (case["missing"] >= 0) for case in cases]
    features, missing = (
        np.concatenate([case[key][mask] for case, mask in zip(cases, known, strict=True)])
        for key in ("places", "missing")
    )
    return objects, LogisticRegression(max_iter=2000).fit(features, missing)


def predicted(models: tuple[LogisticRegression, LogisticRegression], case: dict[str, Any]) -> tuple[Any, Any]:
    """Return the scores of a data set by these regressions."""
    objects, places = models
    found = places.predict_proba(case["places"])[:, 1]
    return objects.predict_proba(case["objects"])[:, 1:], np.where(case["strongest"], found, 0.0)


def peers(records: Any, detections: Any, memory: Any, evidence: Evidence) -> dict[str, tuple[Any, Any]]:
    """Return each peer's scores of objects, [n] or by kind [n, 3], and of places, [f] or None."""
    found = evidence.agreement
    nothing = (found.same == 0) & (found.other == 0)
    result: dict[str, tuple[Any, Any]] = {
        "final score": (1 - found.same, found.free_score),
        # (1 - c) / 2 where the class agrees, (1 + c) / 2 where another is surer; 1 where nothing is found.
        "FiftyOne's mistakenness": (
            np.where(nothing, 1.0, np.where(found.other > found.same, (1 + found.other) / 2, (1 - found.same) / 2)),
            found.free_score,
        ),
    }
    if memory is not None:
        mine = {name: np.asarray(column)[found.objects] for name, column in memory.objects.items()}
        result["loss at the end of training"] = (mine["gradient_norm"], None)
        result["area under the margin"] = (-mine["margin"], None)
    result["ObjectLab"] = objectlab(records, detections, evidence)
    return result


def objectlab(records: Any, detections: Any, evidence: Evidence) -> tuple[Any, Any]:
    """Return cleanlab's badly located and swapped scores of labels, and overlooked scores of detections."""
    from cleanlab.object_detection import rank

    count = int(max(records.labels.max(), max((found.labels.max(initial=0) for found in detections), default=0))) + 1
    labels, predictions, order = [], [], []
    for image, found in enumerate(detections):
        rows = np.arange(records.offsets[image], records.offsets[image + 1])
        rows = rows[~records.crowd[rows]]
        labels.append(
            {"bboxes": records.boxes[rows].astype(float), "labels": records.labels[rows], "image_name": str(image)}
        )
        table = np.concatenate([found.boxes, found.scores[:, None]], axis=1)
        predictions.append(
            np.array([table[found.labels == label] for label in range(count)] + [None], dtype=object)[:-1]
        )
        order.append(np.concatenate([np.flatnonzero(found.labels == label) for label in range(count)]))
    swap = np.concatenate(rank.compute_swap_box_scores(labels=labels, predictions=predictions))
    badloc = np.concatenate(rank.compute_badloc_box_scores(labels=labels, predictions=predictions))
    overlooked = rank.compute_overlooked_box_scores(labels=labels, predictions=predictions)
    agreement, places = evidence.agreement, np.zeros(len(evidence.agreement.free_score))
    for image, found in enumerate(detections):
        score = np.full(len(found.scores), np.nan)
        score[order[image]] = np.asarray(overlooked[image], dtype=float)
        for place in np.flatnonzero(agreement.free_image == image):
            same = np.flatnonzero((found.boxes == agreement.free_box[place]).all(axis=1))
            places[place] = 1 - np.nan_to_num(score[same], nan=1.0).min(initial=1.0)
    worst = 1 - np.minimum(swap, badloc)
    return np.stack([1 - swap, 1 - badloc, worst], axis=1), places


def show(name: str, method: str, case: dict[str, Any], objects: Any, places: Any) -> None:
    """Print a line: over all errors of objects, and by kind over all objects; of places those that are known."""
    kinds, known = case["kinds"], case["missing"] >= 0
    is_ours = objects.ndim == 2 and method.startswith("torchghm")
    total = objects.sum(axis=1) if is_ours else objects[:, 2] if objects.ndim == 2 else objects
    by_kind = objects.T if objects.ndim == 2 else [objects] * 3
    wrong = kinds > 0
    first = wrong[np.argsort(-total, kind="stable")[: wrong.sum()]].mean()
    figures = [roc_auc_score(wrong, total), average_precision_score(wrong, total), first]
    figures += [average_precision_score(kinds == kind, by_kind[kind - 1]) for kind in (1, 2, 3)]
    if places is not None:
        figures.append(average_precision_score(case["missing"][known] == 1, places[known]))
    cells = [f"{figure:.3f}" for figure in figures] + ["" if places is None else None]
    print(f"| {name} | {method} | " + " | ".join(cell for cell in cells if cell is not None) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
