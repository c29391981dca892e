"""From densities to weights: the references, the cap, and what no example has been in."""

from __future__ import annotations

import pytest
import torch

from torchghm.functional import harmonizing_weights
from torchghm.functional.weights import EXAMPLES_PER_POSITIVE, inverse, reference_positives, weight_table

FRACTIONS = torch.tensor([0.7, 0.2, 0.0, 0.1], dtype=torch.float64)


def test_regions_is_the_paper_s_n_over_density():
    beta = weight_table(FRACTIONS, FRACTIONS, bins=4, normalize="regions")
    torch.testing.assert_close(beta, torch.tensor([1 / 2.8, 1 / 0.8, 0.0, 1 / 0.4], dtype=torch.float64))


def test_occupied_weights_sum_to_the_number_of_examples():
    beta = weight_table(FRACTIONS, FRACTIONS, bins=4, normalize="occupied")
    torch.testing.assert_close((beta * FRACTIONS).sum(), torch.tensor(1.0, dtype=torch.float64))


def test_against_positives_no_region_counts_for_more_than_ten_examples_each():
    share = torch.tensor(0.05, dtype=torch.float64)
    beta = weight_table(FRACTIONS, FRACTIONS, bins=4, normalize="positives", positive_fraction=share)
    counted = beta * FRACTIONS
    expected = torch.tensor([1.0, 1.0, 0.0, 1.0], dtype=torch.float64) * EXAMPLES_PER_POSITIVE * share
    torch.testing.assert_close(counted, expected)


@pytest.mark.parametrize("normalize", ["regions", "occupied"])
def test_the_cap_lowers_and_raises_nothing(normalize):
    free = weight_table(FRACTIONS, FRACTIONS, bins=4, normalize=normalize)
    capped = weight_table(FRACTIONS, FRACTIONS, bins=4, normalize=normalize, max_weight=0.9)
    assert torch.equal(capped, free.clamp(max=0.9))
    assert (capped != free).any()


def test_weights_of_examples_are_their_region_s():
    norms = torch.tensor([0.1, 0.1, 0.3, 0.8])
    beta = harmonizing_weights(norms, bins=4, normalize="regions")
    torch.testing.assert_close(beta, torch.tensor([0.5, 0.5, 1.0, 1.0], dtype=torch.float64))


def test_positives_must_be_told_and_are_at_least_1():
    like = torch.zeros(1)
    assert reference_positives(0, like) == 1
    assert reference_positives(torch.tensor(7), like) == 7
    with pytest.raises(ValueError, match="`positives` to be a number"):
        reference_positives(None, like)


def test_the_inverse_of_nothing_is_0():
    assert inverse(torch.tensor([0.0, 4.0])).tolist() == [0.0, 0.25]
