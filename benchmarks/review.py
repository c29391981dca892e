"""How well wrong labels are found: `python -m benchmarks.review NAME=RUN:DATA ...`.

Each data set is a copy that `torchghm data noise` made, each run a training on it. Printed are the figures of torchghm
(weights of the other data sets only, so that none judges its own, and the shipped ones) and of its peers on the
detections of the same model: cleanlab's ObjectLab with its own thresholds and with the best ones, FiftyOne's
mistakenness formula, the loss of each object, its final score, and the area under its margin; then the weights that
`torchghm.review.verdict` holds.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.review_figures import figures
from benchmarks.review_peers import (
    HIGH,
    LOW,
    ObjectLab,
    Scores,
    area_under_the_margin,
    final_score,
    loss_at_the_end,
    mistakenness,
)  # fmt: skip
from benchmarks.review_truth import KINDS, load_truth
from torchghm.data.records import Records
from torchghm.review.agreement import Agreement, Detections, Floats
from torchghm.review.evidence import Memory, gather_evidence
from torchghm.review.features import is_strongest, object_features, place_features
from torchghm.review.verdict import object_scores, place_scores
from torchghm.training.evaluation.label_review import run_comparison

TUNED = "ObjectLab, thresholds "
"""Of the two probabilities; the row with the highest AUROC is shown, which the truth chose in its favour."""


def main(arguments: list[str]) -> None:
    """Print the tables."""
    sets = {name: read(*place.split(":")) for name, _, place in (argument.partition("=") for argument in arguments)}
    print("| data | method | AUROC | AP | P@k | AP class | AP shifted | AP spurious | AP missing | P@k with missing |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, case in sets.items():
        others = [other for key, other in sets.items() if key != name]
        if others:
            show(name, "torchghm, weights of the other sets", case, predicted(fit(others), case))
        show(name, "torchghm", case, case["scores"])
        tuned = [peer for peer in case["peers"] if peer.startswith(TUNED)]
        best = max(tuned, key=lambda peer: figures(case["peers"][peer], case["truth"]).auroc)
        for peer, scores in case["peers"].items():
            if peer == best or peer not in tuned:
                show(name, peer, case, scores)
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
        "kinds": np.array([("", *KINDS).index(str(kind)) for kind in truth.objects]),
        "truth": truth,
        "places": place_features(records, evidence),
        "strongest": is_strongest(evidence),
        "missing": truth.places,
        "scores": by_kind(object_scores(records, evidence, memory), place_scores(records, evidence)),
        "peers": peers(records, detections, memory, evidence.agreement),
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


def by_kind(objects: Floats, places: Floats) -> Scores:
    """Return the scores of `torchghm.review.verdict` in the form of a peer's."""
    wrong_class, shifted, spurious = objects.T
    return Scores(objects.sum(axis=1), (wrong_class, shifted, spurious), places)


def predicted(models: tuple[LogisticRegression, LogisticRegression], case: dict[str, Any]) -> Scores:
    """Return the scores of a data set by these regressions."""
    objects, places = models
    found = places.predict_proba(case["places"])[:, 1]
    return by_kind(objects.predict_proba(case["objects"])[:, 1:], np.where(case["strongest"], found, 0.0))


def peers(records: Records, detections: list[Detections], memory: Memory | None, found: Agreement) -> dict[str, Scores]:
    """Return the scores of each peer; ObjectLab's with all of its thresholds."""
    result = {
        "final score": final_score(found),
        "FiftyOne's mistakenness": mistakenness(records, detections, found),
    }
    if memory is not None:
        result["loss at the end of training"] = loss_at_the_end(memory, found)
        result["area under the margin"] = area_under_the_margin(memory, found)
    lab = ObjectLab(records, detections, found)
    result["ObjectLab"] = lab.scores()
    for low, high in product(LOW, HIGH):
        result[f"{TUNED}{low:g}, {high:g}"] = lab.scores(low, high)
    return result


def show(name: str, method: str, case: dict[str, Any], scores: Scores) -> None:
    """Print a line."""
    cells = ["" if np.isnan(figure) else f"{figure:.3f}" for figure in figures(scores, case["truth"])]
    print(f"| {name} | {method} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
