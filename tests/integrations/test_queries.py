"""Targets of queries that were matched with objects."""

from __future__ import annotations

import pytest
import torch

from torchghm.integrations.queries import check_label_range, class_targets, focal_weights, overlap, quality_targets

QUERIES = (torch.tensor([0, 1]), torch.tensor([2, 0]))
LABELS = torch.tensor([1, 3])


def test_targets_are_at_the_matched_queries_alone():
    logits = torch.zeros(2, 3, 4)
    assert class_targets(logits, QUERIES, LABELS, background=-1).tolist() == [[-1, -1, 1], [3, -1, -1]]
    found = quality_targets(logits.bfloat16(), QUERIES, LABELS, torch.tensor([0.3, 0.7]))
    assert found.dtype == torch.float32  # the quality is not rounded to the logits' type
    assert found.sum().item() == pytest.approx(1.0)
    assert found[0, 2, 1].item() == pytest.approx(0.3)
    assert found[1, 0, 3].item() == pytest.approx(0.7)


def test_focal_weights_are_of_negatives_alone():
    logits = torch.linspace(-3, 3, 24).reshape(2, 3, 4)
    found = focal_weights(logits, QUERIES, LABELS, torch.tensor([0.3, 0.7]), alpha=0.75, gamma=1.5)
    expected = 0.75 * (1 / (1 + torch.exp(-logits))) ** 1.5
    expected[0, 2, 1], expected[1, 0, 3] = 0.3, 0.7
    torch.testing.assert_close(found, expected)


def literal_overlap(a, b):
    sides = []
    for axis in (0, 1):
        low = max(a[axis] - a[axis + 2] / 2, b[axis] - b[axis + 2] / 2)
        high = min(a[axis] + a[axis + 2] / 2, b[axis] + b[axis + 2] / 2)
        sides.append(max(high - low, 0.0))
    common = sides[0] * sides[1]
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def test_overlap_is_intersection_over_union():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 50, 4, generator=generator, dtype=torch.float64)
    expected = [literal_overlap(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    assert {value > 0 for value in expected} == {True, False}
    torch.testing.assert_close(overlap(first, second), torch.tensor(expected, dtype=torch.float64))


def test_boxes_without_an_area_or_a_number_overlap_nothing():
    boxes = torch.tensor([[0.5, 0.5, 0.0, 0.0], [float("nan"), 0.5, 0.1, 0.1]])
    assert overlap(boxes, torch.full((2, 4), 0.5)).tolist() == [0, 0]


def test_labels_out_of_range_are_named():
    check_label_range([], 2)
    check_label_range([torch.tensor([]), torch.tensor([0, 1])], 2)
    with pytest.raises(ValueError, match="from 0 to 1, but got values from -1 to 2: the model was built for 2"):
        check_label_range([torch.tensor([2]), torch.tensor([-1])], 2)
