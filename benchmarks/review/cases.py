"""Runs on noisy and clean data as features, truth and peers' scores; and the two regressions fitted on them."""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.review.peers import (
    HIGH,
    LOW,
    ObjectLab,
    Scores,
    area_under_the_margin,
    final_score,
    loss_at_the_end,
    mistakenness,
)  # fmt: skip
from benchmarks.review.truth import KINDS, Truth, clean_truth, load_truth, noise_rate
from torchghm.data.records import Records
from torchghm.review.agreement import Agreement, Detections, Floats
from torchghm.review.evidence import Memory, gather_evidence
from torchghm.review.features import OBJECT_FEATURES, PLACE_FEATURES, is_strongest, object_features, place_features
from torchghm.review.verdict import object_scores, place_scores
from torchghm.training.evaluation.label_review import labels_and_detections

PRIOR = 0.03
"""scikit-learn's C of the regression of objects: a strong prior, best on the sets that it was not fitted on."""
TUNED = "ObjectLab, thresholds "
"""Name of ObjectLab with the two thresholds on probabilities that the truth chooses in its favour."""
Regressions = tuple[LogisticRegression, LogisticRegression]
Made = TypeVar("Made")


class Case(NamedTuple):
    """A run: n objects and f places without a label."""

    name: str
    """Name of the data set, shared by its noisy and clean copies."""
    rate: float
    """Rate of injected errors, 0 of a clean set."""
    objects: Floats
    """[n, 14], or [n, 7] without a memory."""
    kinds: NDArray[np.int64]
    """[n] 0 of a right label, else 1 + the place of its error in `KINDS`."""
    places: Floats
    """[f, 5], or [f, 4] without a memory."""
    strongest: NDArray[np.bool_]
    """[f]"""
    truth: Truth
    shipped: Scores
    """Scores with the weights that `torchghm.review.verdict` has."""
    peers: dict[str, Scores]
    """Empty of a clean set."""


def read(name: str, run: Path, data: Path, cache: Path | None = None) -> Case:
    """Compare a run's labels with what it saw, gather the truth and the peers' scores.

    Arguments:
        name: of the data set.
        run: its folder.
        data: a clean data set, or a copy that `torchghm data noise` made.
        cache: a folder to keep detections and peers' scores in, which take minutes.
    """
    key = hashlib.sha1(str(run.resolve()).encode()).hexdigest()[:10]
    records, _, detections, memory = _kept(cache, f"{key}-seen", lambda: labels_and_detections(run, data))
    evidence = gather_evidence(records, detections, memory)
    found, rate = evidence.agreement, noise_rate(data)
    truth = load_truth(data, records, found) if rate else clean_truth(found)
    rivals = _kept(cache, f"{_key(run)}-peers", lambda: peers(records, detections, memory, found)) if rate else {}
    return Case(
        name=name,
        rate=rate,
        objects=object_features(records, evidence, memory),
        kinds=np.array([("", *KINDS).index(str(kind)) for kind in truth.objects]),
        places=place_features(records, evidence),
        strongest=is_strongest(evidence),
        truth=truth,
        shipped=by_kind(object_scores(records, evidence, memory), place_scores(records, evidence)),
        peers=rivals,
    )


def run_again(
    run: Path, data: Path, cache: Path | None = None
) -> tuple[Records, tuple[str, ...], list[Detections], Memory | None]:
    """Return `labels_and_detections` of a run, from the cache if it is there."""
    return _kept(cache, f"{_key(run)}-seen", lambda: labels_and_detections(run, data))


def fit(cases: Sequence[Case], *, memory: bool = True) -> Regressions:
    """Fit the regressions of objects and of places; the noisy and the clean runs of every set count the same.

    Arguments:
        cases: of at least one noisy run.
        memory: whether they use what the training saw.
    """
    runs = Counter((case.name, case.rate > 0) for case in cases)
    shares = [1000 / len(case.kinds) / runs[case.name, case.rate > 0] for case in cases]
    columns, place_columns = (None, None) if memory else (len(OBJECT_FEATURES), len(PLACE_FEATURES))
    objects = LogisticRegression(max_iter=3000, C=PRIOR).fit(
        np.concatenate([case.objects[:, :columns] for case in cases]),
        np.concatenate([case.kinds for case in cases]),
        np.concatenate([np.full(len(case.kinds), share) for case, share in zip(cases, shares, strict=True)]),
    )
    known = [case.strongest & (case.truth.places >= 0) for case in cases]
    places = LogisticRegression(max_iter=3000).fit(
        np.concatenate([case.places[mask][:, :place_columns] for case, mask in zip(cases, known, strict=True)]),
        np.concatenate([case.truth.places[mask] for case, mask in zip(cases, known, strict=True)]),
        np.concatenate([np.full(int(mask.sum()), share) for mask, share in zip(known, shares, strict=True)]),
    )
    return objects, places


def predicted(models: Regressions, case: Case) -> Scores:
    """Return the scores of a run by these regressions."""
    objects, places = models
    found = places.predict_proba(case.places)[:, 1] if len(case.places) else np.zeros(0)
    return by_kind(objects.predict_proba(case.objects)[:, 1:], np.where(case.strongest, found, 0.0))


def by_kind(objects: Floats, places: Floats) -> Scores:
    """Return the scores of `torchghm.review.verdict` in the form of a peer's."""
    wrong_class, shifted, spurious = objects.T
    return Scores(objects.sum(axis=1), (wrong_class, shifted, spurious), places)


def peers(
    records: Records, detections: Sequence[Detections], memory: Memory | None, found: Agreement
) -> dict[str, Scores]:
    """Return the scores of each peer; ObjectLab's with all of its thresholds."""
    result = {
        "final score": final_score(found),
        "FiftyOne's mistakenness": mistakenness(records, detections, found),
    }
    if memory is not None:
        result["loss inspection"] = loss_at_the_end(memory, found)
        result["area under the margin"] = area_under_the_margin(memory, found)
    lab = ObjectLab(records, detections, found)
    result["ObjectLab"] = lab.scores()
    for low, high in product(LOW, HIGH):
        result[f"{TUNED}{low:g}, {high:g}"] = lab.scores(low, high)
    return result


def _key(run: Path) -> str:
    return hashlib.sha1(str(run.resolve()).encode()).hexdigest()[:10]


def _kept(cache: Path | None, name: str, make: Callable[[], Made]) -> Made:
    """Return what is in the cache, or make it and put it there. Read only caches that you wrote."""
    if cache is None:
        return make()
    file = cache / f"{name}.pkl"
    if file.is_file():
        made: Made = pickle.loads(file.read_bytes())
        return made
    made = make()
    cache.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(made))
    return made
