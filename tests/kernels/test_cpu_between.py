"""The step between the passes in one call on a CPU: the same as by torch's operations, state and diagnostics too."""

import math

import pytest
import torch

from torchghm import GHMCLoss, GHMRLoss
from torchghm.kernels import cpu_between
from torchghm.losses.residual_scale import ResidualScale

STEPS = 4


def both(build, **options):
    return build(backend="eager", **options), build(backend="cpu", **options)


def classification(step, rows=40, classes=3):
    generator = torch.Generator().manual_seed(step)
    logits = torch.randn(rows, classes, generator=generator) * 3
    return logits, torch.randint(-1, classes, (rows,), generator=generator)


def same(one, other):
    torch.testing.assert_close(other, one, rtol=2e-5, atol=1e-7, check_dtype=False)


def assert_same_training(plain, quick, batches):
    for number, batch in enumerate(batches):
        if number == len(batches) - 1:
            plain.eval(), quick.eval()
        same(plain(*batch), quick(*batch))
        for name in ("table", "histogram", "fractions", "beta", "occupied_regions", "largest_beta", "plain_loss"):
            same(getattr(plain.diagnostics, name), getattr(quick.diagnostics, name))
        same(plain.diagnostics.estimate.examples, quick.diagnostics.estimate.examples)
        same(plain.last_total, quick.last_total)
        for (name, buffer), value in zip(plain.named_buffers(), quick.buffers(), strict=True):
            same(buffer, value), name


@pytest.mark.parametrize("momentum", [0.0, 0.75])
@pytest.mark.parametrize("density", ["regions", "exact"])
@pytest.mark.parametrize("normalize", ["occupied", "regions"])
@pytest.mark.parametrize("max_weight", [None, 1.0])
@pytest.mark.parametrize("average", ["positives", "examples"])
def test_ghmc(momentum, density, normalize, max_weight, average):
    plain, quick = both(
        GHMCLoss, momentum=momentum, density=density, normalize=normalize, max_weight=max_weight, average=average
    )
    assert_same_training(plain, quick, [classification(step) for step in range(STEPS)])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_ghmc_reductions(reduction, activation):
    plain, quick = both(GHMCLoss, reduction=reduction, activation=activation)
    batches = [classification(step) for step in range(STEPS)]
    if activation == "softmax":
        batches = [(logits, targets.clamp(min=0)) for logits, targets in batches]
    assert_same_training(plain, quick, batches)


def test_batches_that_say_nothing():
    empty = (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    ignored = (torch.zeros(5, 3), torch.full((5,), -100))
    endless = (torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64), torch.full((5,), math.inf))
    for first in (empty, ignored):
        plain, quick = both(GHMCLoss)
        assert_same_training(plain, quick, [first, classification(0), first, first])
    plain, quick = both(GHMCLoss)
    for batch in (endless, classification(0), endless):
        plain(*batch), quick(*batch)
        same(plain.density_state.fractions, quick.density_state.fractions)
        same(plain.density_state.seen, quick.density_state.seen)


@pytest.mark.parametrize("ignore_index", [-100, -1, 1])
def test_positives_are_counted_alike(ignore_index):
    plain, quick = both(GHMCLoss, ignore_index=ignore_index)
    assert_same_training(plain, quick, [classification(step) for step in range(2)])


@pytest.mark.parametrize("mu", ["auto", 0.02])
@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_ghmr(mu, momentum, dtype):
    generator = torch.Generator().manual_seed(0)
    plain, quick = both(GHMRLoss, mu=mu, momentum=momentum)
    batches = [
        (torch.randn(30, 4, generator=generator).to(dtype) / (step + 1), torch.zeros(30, 4, dtype=dtype))
        for step in range(STEPS)
    ]
    assert_same_training(plain, quick, batches)


def test_gradients_are_the_same():
    for build, batch in ((GHMCLoss, classification(0)), (GHMRLoss, (torch.randn(30, 4), torch.zeros(30, 4)))):
        gradients = []
        for loss in both(build):
            inputs = batch[0].clone().requires_grad_()
            loss(inputs, batch[1]).backward()
            gradients.append(inputs.grad)
        same(*gradients)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_median_of_residuals(weighted):
    generator = torch.Generator().manual_seed(1)
    plain, quick = both(ResidualScale, momentum=0.9)
    for scale in (1.0, 1e-9, 1e7, 0.3):
        residual = torch.randn(50, 4, generator=generator) * scale
        residual[0, 0], residual[1, 0] = math.nan, math.inf
        weight = torch.rand(50, 4, generator=generator) if weighted else None
        same(plain(residual, weight), quick(residual, weight))
        same(plain.median, quick.median)
    nothing = torch.zeros(0, 4)
    same(plain(nothing, None), quick(nothing, None))
    same(*(scale(nothing, None) for scale in both(ResidualScale, momentum=0.9)))


def test_nothing_is_left_to_compile():
    cpu_between.compile_between((torch.float32,))
    names = ("_between", "_count_positives", "_count_residuals", "_move_and_read_median")
    functions = [getattr(cpu_between, name) for name in names]
    before = [len(function.signatures) for function in functions]
    for build in (GHMCLoss, GHMCLoss.published):
        build()(*classification(0))
    GHMRLoss()(torch.randn(30, 4), torch.zeros(30, 4))
    assert [len(function.signatures) for function in functions] == before
