"""The seam: which backend runs, and what autograd, torch.compile and torch.func make of it."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from tests.kernels.op_calls import OPTIONS, batch, gradient_of, loss_of

from torchghm import GHMCLoss, GHMRLoss
from torchghm.functional.examples import Examples
from torchghm.kernels import ops
from torchghm.kernels.ops import resolve_backend


def test_auto_takes_the_fastest_that_can_run(monkeypatch):
    logits = torch.zeros(2, 3)
    assert resolve_backend("auto", logits) == "cpu"
    assert resolve_backend("auto", logits.half()) == "cpu"
    assert resolve_backend("auto", logits.to("meta")) == "eager"
    assert resolve_backend("eager", logits) == "eager"
    monkeypatch.setitem(ops._INSTALLED, "numba", False)
    assert resolve_backend("auto", logits) == "eager"


def test_a_backend_asked_for_by_name_runs_or_raises(monkeypatch):
    logits = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="runs on 'cuda'"):
        resolve_backend("triton", logits)
    with pytest.raises(ValueError, match="runs on 'cpu'"):
        resolve_backend("cpu", logits.to("meta"))
    with pytest.raises(ValueError, match="`backend` to be one of 'auto', 'eager', 'cpu', 'triton'"):
        resolve_backend("numba", logits)
    with pytest.raises(TypeError, match="float8"):
        resolve_backend("cpu", logits.to(torch.float8_e4m3fn))
    monkeypatch.setitem(ops._INSTALLED, "numba", False)
    with pytest.raises(ImportError, match=r"pip install 'torchghm\[cpu\]'"):
        resolve_backend("cpu", logits)


def test_numba_is_imported_where_it_is_used():
    command = "import sys, torchghm.kernels.ops; print('numba' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_backends_agree(activation, soft, dtype):
    examples = batch(activation, dtype, soft)
    regions = 1  # no edge for rounding to decide about
    expected = ops.classification_histogram(examples, regions, backend="eager", **{**OPTIONS, "activation": activation})
    got = ops.classification_histogram(examples, regions, backend="cpu", **{**OPTIONS, "activation": activation})
    torch.testing.assert_close(got, expected)
    table = torch.tensor([3.0])
    for one, other in zip(
        gradient_of(examples, backend="cpu", table=table, activation=activation),
        gradient_of(examples, backend="eager", table=table, activation=activation),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_under_autocast_nothing_is_rounded():
    examples = batch()
    expected = gradient_of(examples)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = gradient_of(examples)
    for one, other in zip(got, expected, strict=True):
        assert torch.equal(one, other)


def both_passes(logits, examples):
    histogram = ops.classification_histogram(examples._replace(logits=logits), 30, **OPTIONS)
    table = 1 / (1 + histogram[:30])
    return loss_of(torch.tanh(logits), examples, table=table)


@pytest.mark.filterwarnings("ignore")
def test_compiled_without_a_graph_break():
    examples = batch()
    results = []
    for function in (both_passes, torch.compile(both_passes, fullgraph=True, backend="aot_eager")):
        logits = examples.logits.clone().requires_grad_()
        loss = function(logits, examples)
        loss.backward()
        results.append((loss.detach(), logits.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.filterwarnings("ignore")
def test_compiled_for_sizes_that_change():
    examples = batch()
    compiled = torch.compile(both_passes, fullgraph=True, dynamic=True, backend="aot_eager")
    for rows in (60, 31, 45):
        part = Examples(*(tensor[:rows] for tensor in examples))
        torch.testing.assert_close(compiled(part.logits, part), both_passes(part.logits, part))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "loss", [GHMCLoss(validate=False), GHMRLoss.published(), GHMCLoss(density="exact", validate=False)]
)
def test_a_module_compiles_without_a_graph_break(loss):
    examples = batch()
    if isinstance(loss, GHMRLoss):
        inputs, targets = examples.logits, torch.zeros_like(examples.logits)
    else:
        inputs, targets = examples.logits, examples.targets.long().clamp(-1, 1)
    compiled_loss = copy.deepcopy(loss)
    compiled = torch.compile(compiled_loss, fullgraph=True, backend="aot_eager")
    for _ in range(2):
        results = []
        for function in (loss, compiled):
            leaf = inputs.detach().clone().requires_grad_()
            value = function(leaf, targets)
            value.backward()
            results.append((value.detach(), leaf.grad))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other)
    torch.testing.assert_close(loss.state_dict(), compiled_loss.state_dict())


def test_forward_mode_derivatives_take_plain_torch():
    examples = batch(dtype=torch.float64)
    tangent = torch.randn_like(examples.logits)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(examples.logits, tangent)
        value = torch.autograd.forward_ad.unpack_dual(loss_of(dual, examples)).tangent
    torch.testing.assert_close(value, (gradient_of(examples)[1] * tangent).sum())


def test_torch_func_takes_plain_torch():
    examples = batch(dtype=torch.float64)
    gradient = torch.func.grad(lambda logits: loss_of(logits, examples))(examples.logits)
    torch.testing.assert_close(gradient, gradient_of(examples)[1])
    with pytest.raises(ValueError, match=r"torch\.func"):
        torch.func.grad(lambda logits: loss_of(logits, examples, backend="cpu"))(examples.logits)


def test_tracing_sees_the_op():
    from torch.fx.experimental.proxy_tensor import make_fx

    examples = batch()
    graph = make_fx(lambda logits: ops.classification_histogram(examples._replace(logits=logits), 30, **OPTIONS))(
        examples.logits
    )
    assert any("classification_histogram" in str(node.target) for node in graph.graph.nodes)
