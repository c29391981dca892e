from __future__ import annotations

from math import inf, nan
from pathlib import Path

import numpy as np

from torchghm.data.assumptions import Assumptions
from torchghm.data.problems import Problem
from torchghm.data.repairing.annotation_columns import incomplete
from torchghm.data.repairing.annotations import Annotations

ROOT = Path("data")


def one_image(*boxes, partly=False, **how):
    annotations = Annotations(ROOT, "object", **how)
    annotations.add_image("a.jpg", "a.xml", 1, 100, 80)
    for number, box in enumerate(boxes, start=1):
        annotations.add_box(0, box, 0, number, partly=partly)
    return annotations


def test_regions_of_broken_boxes_reach_as_far_as_they_may():
    good = (1, 1, 9, 9)
    annotations = one_image(good, (10, 20, nan, 50), (nan, 5, 30, inf), (nan, nan, nan, nan))
    problems: list[Problem] = []
    records = annotations.records(problems)
    assert records.boxes.tolist() == [[1, 1, 9, 9], [10, 20, 100, 50], [0, 5, 30, 80]]
    assert records.crowd.tolist() == [False, True, True]
    assert records.area.tolist() == [64, 0, 0]
    assert [(problem.what, problem.count) for problem in problems] == [("box-not-finite", 3)]
    assert not annotations.left_out.any()


def test_an_image_that_lost_all_objects_is_left_out():
    for found in (one_image((5, 5, 5, 5)), one_image((nan, 5, 9, 9)), one_image()):
        if not found.images:
            found.add_lost(0)
        problems: list[Problem] = []
        found.records(problems)
        assert found.left_out.tolist() == [True]
        assert found.taken([0]) == []
        assert problems[-1].what == "image-left-out"
    clean = one_image()
    clean.records([])
    assert clean.taken([0]) == [0]


def test_what_the_reader_reports_is_not_reported_again():
    problems: list[Problem] = []
    records = one_image((1, 1, 9, 9), incomplete((10, 20, 30, None)), partly=True).records(problems)
    assert problems == []
    assert records.boxes.tolist() == [[1, 1, 9, 9], [10, 20, 30, 80]]


def test_crowds_can_be_taken_for_objects():
    annotations = Annotations(ROOT, "object", assumptions=Assumptions(crowds="objects"))
    annotations.add_image("a.jpg", "a.xml", 1, 100, 80)
    annotations.add_box(0, (1, 1, 9, 9), 0, 1, crowd=True)
    assert annotations.records([]).crowd.tolist() == [False]


def test_duplicates_are_of_one_image_and_class():
    annotations = one_image((1, 1, 9, 9), (1, 1, 9, 9), (1, 1, 9, 9.5), (-0.0, 1, 9, 9), (0.0, 1, 9, 9))
    annotations.add_image("b.jpg", "b.xml", 2, 100, 80)
    annotations.add_box(1, (1, 1, 9, 9), 0, 1)
    annotations.add_box(0, (1, 1, 9, 9), 1, 6)
    problems: list[Problem] = []
    records = annotations.records(problems)
    assert len(records.labels) == 5
    assert [(problem.what, problem.count) for problem in problems] == [("duplicate-object", 2)]


def test_a_sample_says_where_to_look():
    problems: list[Problem] = []
    one_image((1, 1, 120, 9)).records(problems)
    assert problems[0].sample == ("a.jpg", (1, 1, 120, 9))
    assert np.isfinite(problems[0].sample.box).all()
