"""A whole loss in one go on a CPU: the same as by torch's operations, state, diagnostics and refusals too."""

import copy
import functools
import math

import pytest
import torch
from tests.kernels.batches import threads_and_chunks

from torchghm import GHMCLoss, GHMRLoss
from torchghm.kernels.cpu import kernel, launch, passes
from torchghm.losses import fused

STEPS = 4


def both(build, **options):
    return build(backend="eager", **options), build(backend="cpu", **options)


def classification(step, rows=40, classes=3):
    generator = torch.Generator().manual_seed(step)
    logits = torch.randn(rows, classes, generator=generator) * 3
    return logits, torch.randint(-1, classes, (rows,), generator=generator)


def same(one, other, msg=None):
    torch.testing.assert_close(other, one, rtol=2e-5, atol=1e-7, check_dtype=False, msg=msg)


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
            same(buffer, value, msg=name)


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
    no_box, boxes = (torch.zeros(0, 4), torch.zeros(0, 4)), (torch.randn(30, 4), torch.zeros(30, 4))
    assert_same_training(*both(GHMRLoss), [no_box, boxes, no_box, no_box])
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
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mu_follows_residuals_of_every_size(weighted, dtype):
    generator = torch.Generator().manual_seed(1)
    plain, quick = both(GHMRLoss, momentum=0.9)
    for scale in (1.0, 1e-9, 1e7, 0.3):
        residual = torch.randn(150, 4, generator=generator, dtype=dtype) * scale
        residual[0, 0], residual[1, 0], residual[2, 0] = math.nan, math.inf, 0
        weight = torch.rand(150, 4, generator=generator) if weighted else None
        for loss in (plain, quick):
            loss(residual, torch.zeros(150, 4), weight)
        same(plain.mu, quick.mu)
        same(plain.residual_scale.state.seen, quick.residual_scale.state.seen)
        # An example at the edge of a cell, 1.8 % wide, may lie on either side of it.
        moved = plain.residual_scale.state.fractions - quick.residual_scale.state.fractions
        assert moved.abs().sum() < 4 / 600


def test_weighted_soft_and_unusual_batches():
    generator = torch.Generator().manual_seed(2)
    logits, labels = classification(0)
    soft, weight = torch.rand(40, 3, generator=generator), torch.rand(40, generator=generator)
    batches = [(logits, soft), (logits, soft, weight), (logits, labels, weight), (logits.double(), labels.int())]
    batches += [(logits.view(4, 10, 3), labels.view(4, 10)), (logits.t().contiguous().t(), labels)]
    for nonfinite in ("propagate", "ignore"):
        assert_same_training(*both(GHMCLoss, nonfinite=nonfinite), batches)
    spoilt = logits.clone()
    spoilt[3, 1] = math.nan
    plain, quick = both(GHMCLoss, nonfinite="ignore")
    assert_same_training(plain, quick, [(spoilt, labels), (spoilt, soft, weight)])


def many_rows():
    inputs = torch.randn(900, 7, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(900) % 9 - 1
    return inputs, labels.where(labels < 7, -100)


@pytest.mark.parametrize("openmp", [True, False])
@pytest.mark.parametrize(
    ("build", "weighed", "dtype"),
    [
        (GHMCLoss, False, torch.float32),
        (GHMCLoss, True, torch.float64),
        (GHMCLoss.published, False, torch.float32),
        # In float32 rounding decides on which side of a fine region's edge some are.
        (functools.partial(GHMCLoss, density="exact"), True, torch.float64),
        (functools.partial(GHMCLoss, density="exact", bins=1), False, torch.float64),
        (functools.partial(GHMCLoss, activation="softmax"), True, torch.float32),
        (functools.partial(GHMCLoss, activation="softmax"), False, torch.float64),
        (GHMRLoss, False, torch.float32),
        (GHMRLoss, True, torch.float64),
    ],
)
def test_many_chunks_on_several_threads(build, weighed, dtype, openmp, monkeypatch):
    plain, quick = both(build)
    inputs, targets = many_rows()
    if isinstance(quick, GHMRLoss):
        targets = torch.zeros(900, 7)
    elif quick.activation == "softmax":
        targets = targets.where(targets != -1, 0)
    weight = (torch.arange(900) % 4,) if weighed else ()
    if not openmp:
        monkeypatch.setattr(launch, "openmp_team", lambda: 0)
    with threads_and_chunks(3, chunk=512):
        batches = [(inputs.to(dtype), targets, *weight), (inputs.to(dtype) / 2, targets, *weight)]
        assert_same_training(plain, quick, batches)


@pytest.mark.parametrize("openmp", [True, False])
def test_what_is_refused_in_one_of_many_chunks(openmp, monkeypatch):
    inputs, targets = many_rows()
    targets[700] = 8
    if not openmp:
        monkeypatch.setattr(launch, "openmp_team", lambda: 0)
    loss = GHMCLoss(backend="cpu")
    with threads_and_chunks(3, chunk=512), pytest.raises(ValueError, match="`targets`.*1 other"):
        loss(inputs, targets)
    assert loss.density_state.seen == 0


def refused_batches():
    logits, labels = classification(0)
    unknown, spoilt = labels.clone(), logits.clone()
    unknown[4], spoilt[3, 1] = 9, math.inf
    yield GHMCLoss, {}, (logits, unknown), "`targets`"
    yield GHMCLoss, {}, (logits, torch.full((40, 3), 1.5)), "`targets`"
    yield GHMCLoss, {}, (logits, labels, torch.full((40,), -1.0)), "`weight`"
    yield GHMCLoss, {"nonfinite": "raise"}, (spoilt, labels), "finite"
    for mu in ("auto", 0.1):
        yield GHMRLoss, {"mu": mu, "nonfinite": "raise"}, (spoilt, logits), "finite"
        yield GHMRLoss, {"mu": mu}, (logits, logits + 1, torch.full((40,), -1.0)), "`weight`"


@pytest.mark.parametrize(("build", "options", "batch", "named"), list(refused_batches()))
def test_what_is_refused_is_named_and_changes_no_density(build, options, batch, named):
    plain, quick = both(build, **options)
    messages = []
    for loss in (plain, quick):
        with pytest.raises(ValueError, match=named) as error:
            loss(*batch)
        messages.append(str(error.value))
        assert loss.density_state.seen == 0
        assert loss.diagnostics is None
        if isinstance(loss, GHMRLoss) and loss.residual_scale is not None and loss.nonfinite == "raise":
            assert loss.residual_scale.state.seen == 0
    assert messages[0] == messages[1]


def assigned_buffers(loss, kind):
    for name, buffer in list(loss.named_buffers()):
        module = loss.get_submodule(name.rpartition(".")[0])
        wide = torch.zeros(*buffer.shape, 2)[..., 0] if kind == "view" else buffer.to(kind)
        setattr(module, name.rpartition(".")[2], wide)


@pytest.mark.parametrize("build", [GHMCLoss, GHMRLoss])
@pytest.mark.parametrize("kind", ["view", torch.float64])
def test_buffers_that_no_kernel_may_write_to(build, kind):
    plain, quick = both(build)
    assigned_buffers(plain, kind), assigned_buffers(quick, kind)
    logits, labels = classification(0)
    batch = (logits, labels) if build is GHMCLoss else (logits, logits * 0)
    assert_same_training(plain, quick, [batch, batch])


def test_a_checkpoint_in_half_precision_assigned():
    plain, quick = both(GHMCLoss)
    for loss in (plain, quick):
        loss.load_state_dict({key: value.half() for key, value in loss.state_dict().items()}, assign=True)
    assert_same_training(plain, quick, [classification(0), classification(1)])


@pytest.mark.parametrize("build", [GHMCLoss, GHMRLoss])
def test_another_default_device(build):
    logits, labels = classification(0)
    batch = (logits, labels) if build is GHMCLoss else (logits, logits * 0)
    plain, quick = both(build)
    expected = plain(*batch)
    with torch.device("meta"):
        same(expected, quick(*batch))


def test_a_view_whose_sign_is_still_to_come():
    logits = torch.complex(torch.tensor([[1.0]]), torch.tensor([[2.0]])).conj().imag
    assert logits.is_neg()
    plain, quick = both(GHMCLoss)
    same(plain(logits, torch.tensor([0])), quick(logits, torch.tensor([0])))


def test_what_is_shown_may_be_changed():
    loss = GHMCLoss(backend="cpu")
    logits, labels = classification(0)
    logits.requires_grad_()
    value = loss(logits, labels)
    (expected,) = torch.autograd.grad(value, logits, retain_graph=True)
    loss.diagnostics.table.mul_(2)
    same(expected, torch.autograd.grad(value, logits)[0])


def test_diagnostics_are_those_of_the_last_call():
    loss = GHMCLoss(backend="cpu")
    loss(*classification(0))
    first = loss.diagnostics
    assert loss.diagnostics is first
    examples = first.estimate.examples.clone()
    loss(*classification(1, rows=20))
    assert loss.diagnostics is not first
    assert first.estimate.examples == examples == 120
    assert loss.diagnostics.estimate.examples == 60
    loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    assert loss.diagnostics.estimate.examples == 0


def test_what_it_cannot_do_takes_the_ordinary_way(monkeypatch):
    calls = []
    ordinary = fused.fused
    monkeypatch.setattr(fused, "fused", lambda *inputs: calls.append(1) or ordinary(*inputs))
    batch = classification(0)
    GHMCLoss()(*batch)
    assert len(calls) == 1
    for options in ({"reduction": "none"}, {"backend": "eager"}):
        GHMCLoss(**options)(*batch)
    transformed = GHMCLoss().eval()
    torch.func.grad(transformed)(*batch)
    assert copy.deepcopy(transformed).diagnostics is None
    GHMCLoss().to("meta")(batch[0].to("meta"), batch[1].to("meta"))
    assert len(calls) == 1


def test_nothing_is_left_to_compile():
    kernel.compile_kernel.cache_clear()
    passes.compile_ahead()
    before = kernel.compile_kernel.cache_info().misses
    for build in (GHMCLoss, GHMCLoss.published):
        build()(*classification(0))
    GHMCLoss(activation="softmax")(torch.randn(5, 3), torch.zeros(5, dtype=torch.int64))
    for loss in (GHMRLoss(), GHMRLoss.published()):
        loss(torch.randn(30, 4), torch.zeros(30, 4))
    assert kernel.compile_kernel.cache_info().misses == before
