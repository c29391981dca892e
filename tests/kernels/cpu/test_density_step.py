"""The density algebra in Numba against the one in torch, term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from torchghm.functional import weights
from torchghm.functional.density import density_table
from torchghm.kernels.cpu import density_step
from torchghm.losses.state.density_state import DensityState


def histogram(regions, seed=0):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 50, (regions,), generator=generator).double()
    counts[regions // 3] = 0
    return counts


def close(found, expected):
    torch.testing.assert_close(
        torch.as_tensor(found, dtype=expected.dtype), expected, rtol=1e-6, atol=0, check_dtype=False
    )


@pytest.mark.parametrize("number", [0.0, 2.0, 1e-300, math.inf, math.nan])
def test_inverse(number):
    close(density_step.inverse(number), weights.inverse(torch.tensor(number, dtype=torch.float64)))


@pytest.mark.parametrize(("bins", "regions"), [(1, 1), (30, 30), (1, 101), (10, 1010)])
def test_inverse_density(bins, regions):
    fractions = histogram(regions) / 1000
    found = np.empty(regions)
    density_step.inverse_density(fractions.numpy(), bins, found)
    expected = weights.inverse(density_table(fractions, bins))
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("training", [True, False])
def test_average_over_iterations(momentum, training):
    state = DensityState(30, momentum, positives=True).train(training)
    fractions, seen, positives = (buffer.clone().numpy().reshape(-1) for buffer in state.buffers())
    average = density_step.Average(fractions, seen, momentum)
    for seed in range(3):
        counts, estimate, batch = histogram(30, seed), np.empty(30), np.empty(30)
        expected = state(counts, torch.tensor(7.0 + seed, dtype=torch.float64))
        seen_before = seen[0]
        examples = density_step.move_average(counts.numpy(), average, training, estimate, batch)
        close(examples, expected.examples)
        close(estimate, expected.fractions)
        close(batch, expected.batch_fractions)
        told = (7.0 + seed, examples, positives, seen_before, momentum, training)
        close(density_step.positive_fraction(*told), expected.positive_fraction)
        for buffer, own in zip(state.buffers(), (fractions, seen, positives), strict=True):
            close(own, buffer.reshape(-1))
    assert bool(seen[0] > 0) == training


def test_a_batch_without_examples_moves_nothing():
    fractions, seen = np.full(4, 0.25, np.float32), np.ones(1, np.float32)
    average = density_step.Average(fractions, seen, 0.5)
    density_step.move_average(np.zeros(4), average, True, np.empty(4), np.empty(4))
    assert fractions.tolist() == [0.25] * 4
    assert seen.tolist() == [1]
