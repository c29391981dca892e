"""The layout of examples: rows of classes, which of them count, and how many are positive."""

from __future__ import annotations

import pytest
import torch

from torchghm.functional.examples import (
    arrange_examples,
    blank_invalid,
    compute_dtype,
    invalid_targets,
    positive_weight,
    positives,
    valid_rows,
)

TARGETS = torch.tensor([2, -1, -100, 0, 2])
LOGITS = torch.arange(15.0).view(5, 3)


def test_an_image_becomes_rows_of_classes():
    image = torch.arange(24.0).view(2, 3, 4)
    examples = arrange_examples(image, torch.zeros(2, 4, dtype=torch.int64), torch.ones(2, 1, 4), class_dim=1)
    assert torch.equal(examples.logits, image.movedim(1, -1).reshape(8, 3))
    assert examples.targets.shape == (8,)
    assert examples.weight.shape == (8,)


def test_rows_are_no_copy():
    assert arrange_examples(LOGITS, TARGETS).logits.data_ptr() == LOGITS.data_ptr()


def test_background_is_an_example_of_sigmoid_alone():
    examples = arrange_examples(LOGITS, TARGETS)
    assert valid_rows(examples, -100, activation="sigmoid")[:, 0].tolist() == [True, True, False, True, True]
    assert valid_rows(examples, -100, activation="softmax").tolist() == [True, False, False, True, True]
    assert valid_rows(examples, 2, activation="softmax").tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("weight", [None, torch.arange(1.0, 6.0), torch.arange(1.0, 16.0).view(5, 3)])
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_positives_weigh_the_sum_of_their_weights(weight, ignore_index):
    examples = arrange_examples(LOGITS, TARGETS, weight)
    full = torch.ones(5, 3) if weight is None else weight if weight.dim() == 2 else weight[:, None].expand(5, 3)
    labels = [(row, int(target)) for row, target in enumerate(TARGETS) if target >= 0 and target != ignore_index]
    assert positive_weight(examples, ignore_index) == sum(full[place] for place in labels)


def test_targets_become_ones_where_they_point():
    expected = torch.zeros(5, 3)
    expected[[0, 3, 4], [2, 0, 2]] = 1
    assert torch.equal(positives(arrange_examples(LOGITS, TARGETS), LOGITS), expected)


def test_what_is_invalid_is_blank():
    examples = arrange_examples(LOGITS, TARGETS)
    blank = blank_invalid(examples, valid_rows(examples, -100, activation="sigmoid"))
    assert blank.logits[2].tolist() == [0, 0, 0]
    assert torch.equal(blank.logits[[0, 1, 3, 4]], LOGITS[[0, 1, 3, 4]])


def test_invalid_targets_are_neither_class_nor_background_nor_ignored():
    integers = arrange_examples(LOGITS, torch.tensor([3, -1, -2, -100, 0]))
    assert invalid_targets(integers, -100, activation="sigmoid").tolist() == [True, False, True, False, False]
    assert invalid_targets(integers, -100, activation="softmax").tolist() == [True, True, True, False, False]
    soft = arrange_examples(torch.zeros(1, 4), torch.tensor([[0.0, 1.0, 1.1, float("nan")]]))
    assert invalid_targets(soft, -100, activation="sigmoid").tolist() == [[False, False, True, True]]


def test_arithmetic_is_at_least_float32():
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    assert [compute_dtype(torch.zeros(1, dtype=kind)) for kind in kinds] == [torch.float32] * 3 + [torch.float64]
