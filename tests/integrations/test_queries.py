"""Targets of detectors that match queries with objects."""

from __future__ import annotations

import pytest
import torch

from torchghm.integrations.queries import check_label_range, class_targets, overlap, quality_targets

LOGITS = torch.zeros(2, 4, 3)
QUERIES = torch.tensor([0, 0, 1]), torch.tensor([1, 3, 0])
LABELS = torch.tensor([2, 0, 1])


def test_queries_without_an_object_are_background():
    assert class_targets(LOGITS, QUERIES, LABELS, background=-1).tolist() == [[-1, 2, -1, 0], [1, -1, -1, -1]]


def test_the_quality_stands_at_the_object_s_class():
    targets = quality_targets(LOGITS.half(), QUERIES, LABELS, torch.tensor([0.5, 0.25, 1.0]))
    assert targets.dtype == torch.float32
    assert {tuple(place): float(targets[tuple(place)]) for place in targets.nonzero().tolist()} == {
        (0, 1, 2): 0.5,
        (0, 3, 0): 0.25,
        (1, 0, 1): 1.0,
    }


@pytest.mark.parametrize(
    ("box", "expected"), [([0.5, 0.5, 0.2, 0.2], 1.0), ([0.9, 0.5, 0.2, 0.2], 0.0), ([0.5, 0.5, 0.0, 0.0], 0.0)]
)
def test_overlap(box, expected):
    found = overlap(torch.tensor([box]), torch.tensor([[0.5, 0.5, 0.2, 0.2]]))
    torch.testing.assert_close(found, torch.tensor([expected]))


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_named(label):
    check_label_range([LABELS, torch.tensor([], dtype=torch.int64)], 3)
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        check_label_range([LABELS, torch.tensor([label])], 3)
