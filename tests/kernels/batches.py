"""Random inputs of the kernels, and what the oracle says of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from tests.oracles import passes as oracle
from torch import Tensor

from torchghm.functional.examples import Examples
from torchghm.kernels.cpu import threads as chunks_and_threads

NAN, INF = math.nan, math.inf
# How far rounding may move a gradient norm: what is nearer to an edge of a region may be counted on either side.
EDGE = {torch.float32: 2e-6, torch.bfloat16: 2e-6, torch.float16: 2e-6, torch.float64: 1e-12}
# Relative error of sums, and of a gradient beside the largest of its weight's.
SUM = {torch.float32: 2e-6, torch.bfloat16: 2e-6, torch.float16: 2e-6, torch.float64: 1e-13}
GRADIENT = {torch.float32: 1e-6, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11, torch.float64: 1e-14}


def random_examples(
    seed: int,
    *,
    activation: str,
    rows: int,
    classes: int,
    dtype: torch.dtype,
    soft: bool,
    weight: str,
    nonfinite: float = 0.0,
) -> Examples:
    """Logits of every size, targets of every kind (ignored and out of range among them), weights of 0 among others."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    logits = (torch.randn(rows, classes, generator=generator, dtype=torch.float64) * 4 - 1).to(dtype)
    special = torch.tensor([NAN, INF, -INF, 1e30, -1e30], dtype=torch.float64).to(dtype)
    chosen = random(rows, classes) < nonfinite
    logits[chosen] = special[torch.randint(5, (int(chosen.sum()),), generator=generator)]
    if soft:
        targets = random(rows, classes).to(dtype)
        if activation == "softmax":
            targets = targets / targets.sum(1, keepdim=True)
    else:
        targets = torch.randint(-1 if activation == "sigmoid" else 0, classes, (rows,), generator=generator)
        targets[random(rows) < 0.1] = -100
        targets[random(rows) < 0.05] = classes + 3
        targets[random(rows) < 0.05] = -(2**40)
    amount = {"none": None, "row": random(rows), "logit": random(rows, classes)}[weight]
    if amount is not None:
        amount[amount < 0.1] = 0
        amount = amount.to(torch.promote_types(dtype, torch.float32))
    return Examples(logits, targets, amount)


def random_residuals(
    seed: int, count: int, dtype: torch.dtype, weighed: bool, regions: int, mu: float
) -> tuple[Tensor, Tensor | None, list[oracle.Example]]:
    """Residuals on both sides of mu, none near an edge of a region; weights; and the oracle's view of them."""
    generator = torch.Generator().manual_seed(seed)
    residual = torch.randn(count, generator=generator, dtype=torch.float64).pow(3).mul(mu * 2).to(dtype)
    weight = torch.rand(count, generator=generator, dtype=torch.float64).to(dtype) if weighed else None
    amount = None if weight is None else weight.tolist()
    batch, _ = oracle.residual_examples(residual.tolist(), amount, mu)
    for e in batch:
        if oracle.near_edge(e.norm, regions, 2e-6):
            residual[e.places[0]] = 0
    batch, _ = oracle.residual_examples(residual.tolist(), amount, mu)
    return residual, weight, batch


def examples_of(examples: Examples, activation: str, ignore_index: int = -100) -> tuple[list[oracle.Example], int]:
    """The oracle's view of the same inputs, as they were rounded to their dtype."""
    logits, targets, weight = examples
    view = oracle.sigmoid_examples if activation == "sigmoid" else oracle.softmax_examples
    amount = None if weight is None else weight.tolist()
    return view(logits.double().tolist(), targets.tolist(), amount, ignore_index)


def move_off_edges(examples: Examples, activation: str, regions: int) -> None:
    """Change the logits of examples so near to a region's edge that rounding could decide, in place."""
    for _ in range(20):
        batch, _ = examples_of(examples, activation)
        doubtful = [e for e in batch if e.finite and oracle.near_edge(e.norm, regions, EDGE[examples.logits.dtype])]
        if not doubtful:
            return
        for e in doubtful:
            places = torch.tensor(e.places)
            moved = examples.logits.view(-1)[places].clamp(-20, 20) + 0.37 * torch.arange(1, len(places) + 1)
            examples.logits.view(-1)[places] = moved.to(examples.logits.dtype)
    raise AssertionError("some example stays on an edge")


@contextmanager
def threads_and_chunks(threads: int, chunk: int) -> Iterator[None]:
    """Run the kernels on so many threads, in chunks of at most so many numbers, however small the input is."""
    before, min_chunk = torch.get_num_threads(), chunks_and_threads.MIN_CHUNK
    torch.set_num_threads(threads)
    chunks_and_threads.MIN_CHUNK = chunk
    try:
        yield
    finally:
        torch.set_num_threads(before)
        chunks_and_threads.MIN_CHUNK = min_chunk


def check_histogram(histogram: Tensor, expected: oracle.Histogram, dtype: torch.dtype) -> None:
    assert histogram.dtype == torch.float64
    assert histogram[-2:].tolist() == [expected.nonfinite, expected.invalid]
    torch.testing.assert_close(
        histogram[:-2], torch.tensor(expected.amounts, dtype=torch.float64), rtol=SUM[dtype], atol=SUM[dtype]
    )


def check_loss(loss: Tensor, sums: Tensor, gradient: Tensor, expected: oracle.Loss, dtype: torch.dtype) -> None:
    values = [float(loss), *sums.tolist()]
    wanted = [expected.loss, expected.plain, expected.size, expected.positive]
    for value, want in zip(values, wanted, strict=True):
        if math.isfinite(want):
            assert math.isclose(value, want, rel_tol=SUM[dtype], abs_tol=SUM[dtype]), (values, wanted)
        else:
            assert not math.isfinite(value), (values, wanted)
    want_gradient = torch.tensor(expected.gradient, dtype=torch.float64)
    got = gradient.double().flatten()
    assert torch.equal(got.isnan(), want_gradient.isnan())
    largest = want_gradient.nan_to_num().abs().max().clamp(min=1.0)
    tolerance = GRADIENT[dtype] * largest if dtype in (torch.float32, torch.float64) else GRADIENT[dtype]
    torch.testing.assert_close(
        got.nan_to_num(), want_gradient.nan_to_num(), rtol=GRADIENT[dtype], atol=float(tolerance)
    )
