"""The gradient density GD(g): how crowded a gradient norm is. Sections 3.2 and 3.3 of the paper.

Everything is computed on a histogram of g, a table of M unit regions or of K fine ones. The window of the exact
density then costs two look-ups in the histogram's prefix sums instead of a pass over all examples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchghm.functional.arguments import check_choice, check_integer
from torchghm.functional.examples import Density

FINE_REGIONS_PER_UNIT = 101
"""Fine regions in one unit region. Odd, so that a window around a fine region's centre ends on edges: its count is
then exact, and an example d from the centre errs by at most d / e times the change of density over the window."""

SORT_LIMIT = 65_536
"""Up to so many examples `gradient_density` sorts, which is exact; above, it uses fine regions."""


def region_count(bins: int, density: Density) -> int:
    """Return the number of entries of the table: M unit regions, or K = 101 M fine regions for the exact density."""
    return bins if density == "regions" else bins * FINE_REGIONS_PER_UNIT


def region_index(gradient_norm: Tensor, regions: int) -> Tensor:
    """Return the region of every gradient norm; the index M of NaN, which lies in none.

    [k/M, (k+1)/M) is region k, and g = 1 lies in the last one. Edges are those of float32 ``arange(M + 1) / M``,
    compared, not multiplied: g = k/M falls in region k for every M.
    """
    edges = torch.arange(1, regions, device=gradient_norm.device, dtype=torch.float32) / regions
    index = torch.bucketize(gradient_norm.contiguous(), edges.to(gradient_norm.dtype), right=True)
    return index.masked_fill(gradient_norm.isnan(), regions)


def gradient_histogram(gradient_norm: Tensor, regions: int, weight: Tensor | None = None) -> Tensor:
    """Return R_j, the (weighted) number of examples in each of ``regions`` equal regions of [0, 1] (equation 7).

    Arguments:
        gradient_norm: g, any shape; NaN is no example.
        regions: number of regions, at least 1.
        weight: None or non-negative numbers that broadcast to ``gradient_norm``; weight 2 is the example twice.

    Returns:
        [regions] float64 (float32 on devices without float64), computed without a host synchronisation.

    Examples:
        >>> gradient_histogram(torch.tensor([0.1, 0.2, 1.0]), 2)
        tensor([2., 1.], dtype=torch.float64)
    """
    # float32 counts stop at 2^24 examples, half of one RetinaNet batch.
    dtype = torch.float32 if gradient_norm.device.type == "mps" else torch.float64
    index = region_index(gradient_norm, regions).flatten()
    if weight is None:
        amount = torch.ones((), dtype=dtype, device=index.device).expand(index.shape)
    else:
        amount = weight.to(dtype).expand(gradient_norm.shape).flatten()
    histogram = torch.zeros(regions + 1, dtype=dtype, device=index.device)
    return histogram.index_add_(0, index, amount)[:regions]


def density_table(histogram: Tensor, bins: int) -> Tensor:
    """Return the gradient density of every region of a table.

    With M = ``bins`` regions GD^ = R_j M (equation 7); with K > M fine ones the window of equation 3 around each
    centre, sum of the counts in [g - e/2, g + e/2) over its valid length, e = 1/M.

    Arguments:
        histogram: counts or fractions, [M] or [K] with K an odd multiple of M.
        bins: M, the number of unit regions.

    Returns:
        Densities shaped like ``histogram``, in its units (fractions give GD / N).
    """
    regions = histogram.numel()
    if regions == bins:
        return histogram * bins
    half = (regions // bins - 1) // 2
    # float32 would lose the few hard examples beside the sum of all easy ones.
    exact = histogram if histogram.device.type == "mps" else histogram.double()
    cumulated = torch.cat([exact.new_zeros(1), exact.cumsum(0)])
    position = torch.arange(regions, device=histogram.device)
    lower = (position - half).clamp(min=0)
    upper = (position + half + 1).clamp(max=regions)
    # The clamp: a scan in parallel need not be monotone to the last bit.
    count = (cumulated[upper] - cumulated[lower]).clamp(min=0)
    return (count / (upper - lower) * regions).to(histogram.dtype)


def gradient_density(
    gradient_norm: Tensor, weight: Tensor | None = None, *, bins: int = 30, density: Density = "regions"
) -> Tensor:
    """Return the gradient density at every example, GD(g) = (1 / l_e(g)) sum_k d_e(g_k, g) (equations 3 to 5).

    Arguments:
        gradient_norm: g in [0, 1], any shape; NaN is no example.
        weight: None or non-negative numbers that broadcast to ``gradient_norm``.
        bins: M = 1/e, the number of unit regions, at least 1.
        density: ``"regions"`` counts the unit region that g lies in (equation 7); ``"exact"`` counts a window of
            length e around g, by sorting up to 65,536 examples and by 101 M fine regions above. There the error of
            a window's count is at most the count of the two fine regions at its ends.

    Returns:
        GD shaped like ``gradient_norm``, float64 (float32 on devices without it); NaN where g is NaN.

    Raises:
        ValueError: ``bins`` below 1 or no integer, an unknown ``density``.

    Examples:
        >>> gradient_density(torch.tensor([0.1, 0.2, 0.9]), bins=2)
        tensor([4., 4., 2.], dtype=torch.float64)
    """
    check_integer("bins", bins, 1)
    check_choice("density", density, ("regions", "exact"))
    if density == "exact" and gradient_norm.numel() <= SORT_LIMIT:
        return _density_by_sorting(gradient_norm, weight, bins)
    histogram = gradient_histogram(gradient_norm, region_count(bins, density), weight)
    table = torch.cat([density_table(histogram, bins), histogram.new_full((1,), float("nan"))])
    return table[region_index(gradient_norm, histogram.numel())]


def _density_by_sorting(gradient_norm: Tensor, weight: Tensor | None, bins: int) -> Tensor:
    dtype = torch.float32 if gradient_norm.device.type == "mps" else torch.float64
    norm = gradient_norm.to(dtype).flatten()
    amount = torch.ones_like(norm) if weight is None else weight.to(dtype).expand(gradient_norm.shape).flatten()
    amount = amount.masked_fill(norm.isnan(), 0.0)
    # No example lies beyond every window; NaN itself would lead the binary search astray.
    ordered, order = norm.nan_to_num(nan=torch.inf).sort()
    cumulated = torch.cat([amount.new_zeros(1), amount[order].cumsum(0)])
    lower, upper = norm - 0.5 / bins, norm + 0.5 / bins
    count = cumulated[torch.searchsorted(ordered, upper)] - cumulated[torch.searchsorted(ordered, lower)]
    length = upper.clamp(max=1.0) - lower.clamp(min=0.0)
    return (count / length).reshape(gradient_norm.shape)
