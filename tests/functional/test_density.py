"""Histogram, densities and weights against the literal definitions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import harmonizing as oracle

from torchghm.functional import gradient_density, gradient_histogram, harmonizing_weights
from torchghm.functional.density import SORT_LIMIT, density_table, region_count, region_index


@pytest.mark.parametrize("bins", [1, 2, 3, 7, 10, 30, 100, 3030])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_edges_belong_to_the_region_above(bins, dtype):
    edges = (torch.arange(bins + 1, dtype=torch.float32) / bins).to(dtype)
    expected = torch.arange(bins + 1).clamp(max=bins - 1)
    assert region_index(edges, bins).tolist() == expected.tolist()
    below = torch.nextafter(edges[1:], torch.zeros((), dtype=dtype))
    assert region_index(below, bins).tolist() == list(range(bins))


def test_no_example_is_in_no_region():
    norm = torch.tensor([0.1, float("nan"), 1.0])
    assert region_index(norm, 4).tolist() == [0, 4, 3]
    assert gradient_histogram(norm, 4).tolist() == [1, 0, 0, 1]
    assert gradient_density(norm, bins=4).isnan().tolist() == [False, True, False]
    assert gradient_density(norm, bins=4, density="exact").isnan().tolist() == [False, True, False]
    assert harmonizing_weights(norm, bins=4).tolist() == [1.0, 0.0, 1.0]


def test_absent_examples_do_not_disturb_the_window():
    norm = torch.linspace(0, 1, 41, dtype=torch.float64)
    with_absent = torch.cat([norm, torch.full((30,), float("nan"), dtype=torch.float64)])
    expected = gradient_density(norm, density="exact")
    assert torch.equal(gradient_density(with_absent, density="exact")[:41], expected)
    assert gradient_density(with_absent, density="exact")[41:].isnan().all()


def test_counts_are_exact_beyond_the_range_of_float32():
    norm = torch.zeros(1).expand(2**24 + 3)
    assert gradient_histogram(norm, 2).tolist() == [2**24 + 3, 0]


@settings(max_examples=25, deadline=None)
@given(
    norms=st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=40),
    bins=st.sampled_from([1, 3, 10]),
    density=st.sampled_from(["regions", "exact"]),
    normalize=st.sampled_from(["occupied", "regions"]),
    seed=st.integers(0, 1000),
)
def test_weights_equal_the_definition(norms, bins, density, normalize, seed):
    norm = torch.tensor(norms, dtype=torch.float64)
    if density == "regions":  # the edges are those of float32, see `region_index`
        norm = norm.float().double()
    amount = torch.randint(0, 3, norm.shape, generator=torch.Generator().manual_seed(seed)).double() + 0.5
    expected = oracle.harmonizing_weights(norm.tolist(), amount.tolist(), bins, density, normalize)
    edges = torch.arange(bins + 1, dtype=torch.float64) / bins
    near = (norm[:, None] - edges).abs().min(1).values < 1e-7
    actual = harmonizing_weights(norm, amount, bins=bins, density=density, normalize=normalize)
    if density == "exact" or not near.any():
        torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), density=st.sampled_from(["regions", "exact"]))
def test_the_sum_of_the_weights_is_the_number_of_examples(seed, density):
    generator = torch.Generator().manual_seed(seed)
    norm = torch.rand(500, generator=generator) ** 4
    amount = torch.rand(500, generator=generator)
    beta = harmonizing_weights(norm, amount, density=density)
    assert (beta * amount).sum().item() == pytest.approx(amount.sum().item(), rel=1e-5)


@pytest.mark.parametrize("shape", ["even", "steep", "two sided"])
def test_fine_regions_are_within_one_percent_of_the_window(shape):
    """The table of K = 101 M fine regions against the O(N^2) definition, as the loss weighs: by 1 / GD."""
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(6000, generator=generator, dtype=torch.float64)
    norm = {
        "even": uniform,
        "steep": (-uniform.log() / 8).clamp(max=1),
        "two sided": torch.where(uniform < 0.9, uniform**3, 1 - (uniform - 0.9)),
    }[shape]
    expected = torch.tensor(oracle.window_density(norm.tolist(), [1.0] * 6000, 10), dtype=torch.float64)
    table = density_table(gradient_histogram(norm, region_count(10, "exact")), 10)
    approximate = table[region_index(norm, table.numel())]
    error = (approximate / expected - 1).abs()
    assert error.mean() < 0.01
    assert (1 / approximate).sum().item() == pytest.approx((1 / expected).sum().item(), rel=0.01)


def test_many_examples_use_fine_regions():
    norm = torch.linspace(0, 1, SORT_LIMIT + 1, dtype=torch.float64)
    density = gradient_density(norm, density="exact")
    torch.testing.assert_close(density, torch.full_like(density, norm.numel()), rtol=0.01, atol=0)


def test_no_synchronisation_is_needed_for_the_table():
    """Everything between the passes runs on the meta device, where no value can be read."""
    from torchghm.functional.weights import weight_table

    fractions = torch.empty(303, device="meta")
    assert weight_table(fractions, fractions, bins=3, max_weight=2.0).shape == (303,)


@pytest.mark.parametrize("bins", [0, -1, 2.5])
def test_mistakes_are_named(bins):
    with pytest.raises(ValueError, match="`bins`"):
        gradient_density(torch.rand(3), bins=bins)
