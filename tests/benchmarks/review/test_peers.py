"""Peers' scores where the answer is evident: a confident model, and one label of each kind that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.review.figures import figures, precision_of_first, wrong_above
from benchmarks.review.peers import ObjectLab, Scores, final_score, mistakenness
from benchmarks.review.truth import Truth

from torchghm.data.records import Records
from torchghm.review.agreement import Agreement, Detections, agreement

Case = tuple[Records, list[Detections], Agreement]
IMAGES = 4
RIGHT, SWAPPED, MOVED, SPURIOUS = 0, 3, 6, 9
"""Objects, three an image; the last image has one more in the picture than in its labels."""


@pytest.fixture
def case() -> Case:
    places = np.array([[10, 10, 50, 50], [100, 10, 140, 50], [10, 100, 50, 140]], np.float32)
    boxes, labels = np.tile(places, (IMAGES, 1)), np.tile([0, 1, 2], IMAGES)
    detections = [Detections(places.astype(float), np.array([0, 1, 2]), np.full(3, 0.97)) for _ in range(IMAGES)]
    labels[SWAPPED] = 1
    boxes[MOVED] += np.array([15, 0, 15, 0], np.float32)
    boxes[SPURIOUS] = (150, 150, 190, 190)  # and what it was of lacks a label now
    sides = np.full(IMAGES, 200)
    records = Records(
        Path("set"), [f"{i}.png" for i in range(IMAGES)], widths=sides, heights=sides.copy(),
        image_ids=np.arange(IMAGES), offsets=np.arange(0, 3 * IMAGES + 1, 3), boxes=boxes, labels=labels,
        crowd=np.zeros(3 * IMAGES, bool), area=np.ones(3 * IMAGES, np.float32),
    )  # fmt: skip
    return records, detections, agreement(records, detections)


def truth_of(found: Agreement) -> Truth:
    kinds = np.full(3 * IMAGES, "", dtype="U8")
    kinds[[SWAPPED, MOVED, SPURIOUS]] = ("class", "shifted", "spurious")
    return Truth(kinds, (found.free_image == 3).astype(np.int8), 0)


def test_objectlab_finds_what_it_is_made_for(case: Case) -> None:
    scores = ObjectLab(*case).scores()
    of_class, of_place, _ = scores.by_kind
    assert [int(of_class.argmax()), int(of_place.argmax())] == [SWAPPED, MOVED]
    assert of_class[SWAPPED] > 0.9
    assert of_place[RIGHT] == pytest.approx(0, abs=1e-6)
    assert of_place[MOVED] == pytest.approx(1 - 0.9 * 25 / 55 - 0.1 * np.exp(-1.5), abs=1e-6)
    assert scores.total[SPURIOUS] < 0.5, "it has no score for a label where nothing is"
    assert scores.places is not None
    assert case[2].free_image[scores.places.argmax()] == 3
    assert scores.places.max() > 0.9


def test_objectlab_needs_scores_above_its_thresholds(case: Case) -> None:
    records, detections, _ = case
    faint = [seen._replace(scores=seen.scores * 0.3) for seen in detections]
    lab = ObjectLab(records, faint, agreement(records, faint))
    assert lab.scores().total.max() == 0
    assert lab.scores(low=0.2, high=0.2).by_kind[0].argmax() == SWAPPED


def test_mistakenness_is_the_formula(case: Case) -> None:
    records, detections, found = case
    scores = mistakenness(records, detections, found)
    assert scores.total[RIGHT] == pytest.approx((1 - 0.97) / 2)
    assert scores.total[SWAPPED] == pytest.approx((1 + 0.97) / 2)
    assert scores.total[[MOVED, SPURIOUS]].tolist() == [1, 1]  # an IoU of 25/55 is no match
    assert scores.by_kind[1][RIGHT] == pytest.approx((1 - 0.97) / 2)


def test_a_perfect_order_has_perfect_figures(case: Case) -> None:
    truth = truth_of(case[2])
    kinds = tuple((truth.objects == kind).astype(float) for kind in ("class", "shifted", "spurious"))
    best = Scores((truth.objects != "").astype(float), kinds, (truth.places == 1).astype(float))
    assert list(figures(best, truth)) == [1] * 12
    assert figures(final_score(case[2]), truth).precision == 1
    assert np.isnan(figures(best._replace(places=None), truth).ap_missing)


def test_equal_scores_count_by_their_mean_order() -> None:
    assert precision_of_first(np.zeros(4), np.array([True, False, False, False])) == 0.25
    assert wrong_above(0.8, np.array([0.9, 0.85, 0.1]), np.array([True, False, True])) == 0.5
    assert np.isnan(wrong_above(0.8, np.zeros(2), np.zeros(2, bool)))
