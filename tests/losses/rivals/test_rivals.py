"""The rivals as modules: the call that GHMCLoss has, in every layout, precision and reduction."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

import torchghm
from torchghm.functional import rivals as formulas
from torchghm.functional.weighed import LossOptions, weigh_examples

SIGMOID = {
    "asymmetric": (torchghm.AsymmetricLoss, formulas.asymmetric_formula()),
    "poly1_focal": (torchghm.Poly1FocalLoss, formulas.poly1_focal_formula()),
    "sce": (torchghm.SymmetricCrossEntropyLoss, formulas.symmetric_cross_entropy_formula()),
    "gce": (torchghm.GeneralizedCrossEntropyLoss, formulas.generalized_cross_entropy_formula()),
    "eqlv2": (torchghm.EqualizationLossV2, formulas.equalization_formula(torch.ones(2, 5))),
    "quality_focal": (torchghm.QualityFocalLoss, formulas.quality_focal_formula()),
}
SOFTMAX = {
    "poly1_focal": SIGMOID["poly1_focal"],
    "sce": SIGMOID["sce"],
    "gce": SIGMOID["gce"],
    "adjusted": (torchghm.LogitAdjustedLoss, formulas.logit_adjustment_formula(torch.ones(5))),
    "dft": (torchghm.DynamicFineTuningLoss, formulas.dynamic_fine_tuning_formula),
}
CASES = [(name, "sigmoid", *SIGMOID[name]) for name in SIGMOID]
CASES += [(name, "softmax", *SOFTMAX[name]) for name in SOFTMAX]
NAMES = [f"{name}, {form}" for name, form, *_ in CASES]
every_loss = pytest.mark.parametrize(("activation", "build", "formula"), [case[1:] for case in CASES], ids=NAMES)


def batch(activation: str, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(60, 5, generator=generator) * 2 - 1
    targets = torch.randint(0 if activation == "softmax" else -1, 5, (60,), generator=generator)
    targets[::7] = -100
    return logits.to(dtype), targets


@every_loss
def test_the_module_is_the_formula(activation, build, formula):
    logits, targets = batch(activation)
    weight = torch.linspace(0, 2, 60)
    for average in ("positives", "examples"):
        for reduction in ("mean", "sum", "none"):
            loss = build(activation=activation, average=average, reduction=reduction)
            value = loss(logits, targets, weight)
            options = LossOptions(activation, average, reduction=reduction)
            torch.testing.assert_close(value, weigh_examples(logits, targets, weight, formula, options).loss)
            if reduction == "none":
                assert value.shape == (targets.shape if activation == "softmax" else logits.shape)
                assert (value[targets == -100] == 0).all()
    loss.eval()
    copies = pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)
    for other in copies:
        torch.testing.assert_close(other(logits, targets, weight), loss(logits, targets, weight))


@every_loss
def test_the_axis_of_the_classes(activation, build, formula):
    logits, targets = batch(activation)
    expected = build(activation=activation)(logits, targets)
    images = logits.reshape(3, 4, 5, 5).movedim(-1, 1)  # [N, K, H, W]
    loss = build(activation=activation, class_dim=1, ignore_index=-7)
    value = loss(images, targets.where(targets != -100, -7).reshape(3, 4, 5))
    torch.testing.assert_close(value, expected)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(activation, build, formula, dtype):
    logits, targets = batch(activation, dtype)
    inputs = logits.clone().requires_grad_()
    value = build(activation=activation)(inputs, targets)
    value.backward()
    assert value.dtype == torch.float32
    assert inputs.grad.dtype == dtype
    single = logits.float().requires_grad_()
    expected = build(activation=activation)(single, targets)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(inputs.grad.float(), single.grad, rtol=1e-2, atol=1e-5)


@every_loss
@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_to_learn_from_is_0_with_a_graph(activation, build, formula, rows):
    inputs = torch.randn(rows, 5, requires_grad=True)
    loss = build(activation=activation)
    value = loss(inputs, torch.full((rows,), -100))
    value.backward()
    assert value == 0
    assert inputs.grad.shape == inputs.shape
    assert (inputs.grad == 0).all()
    assert loss.diagnostics.plain_loss == 0


@every_loss
def test_nothing_waits_for_a_device(activation, build, formula):
    """A meta tensor has no values: whoever asked for one would raise."""
    loss = build(activation=activation).to("meta")
    inputs = torch.zeros(6, 5, device="meta", requires_grad=True)
    loss(inputs, torch.zeros(6, dtype=torch.int64, device="meta")).backward()
    assert loss.diagnostics.plain_loss.is_meta


@every_loss
def test_no_gradient_flows_into_targets(activation, build, formula):
    logits = torch.randn(6, 5, requires_grad=True)
    targets = torch.rand(6, 5, requires_grad=True)
    build(activation=activation)(logits, targets.softmax(-1)).backward()
    assert logits.grad is not None
    assert targets.grad is None


@every_loss
def test_targets_out_of_range_are_named(activation, build, formula):
    with pytest.raises(ValueError, match="`targets` to hold class indices from 0 to 4"):
        build(activation=activation)(torch.zeros(2, 5), torch.tensor([0, 5]))
    with pytest.raises(ValueError, match=r"`targets` to hold values in \[0, 1\]"):
        build(activation=activation)(torch.zeros(1, 5), torch.full((1, 5), 1.5))


@pytest.mark.parametrize("build", [torchghm.AsymmetricLoss, torchghm.EqualizationLossV2, torchghm.QualityFocalLoss])
def test_a_form_that_the_loss_does_not_have_is_refused(build):
    with pytest.raises(ValueError, match="`activation` to be one of 'sigmoid', but got 'softmax'"):
        build(activation="softmax")


@pytest.mark.parametrize("build", [torchghm.LogitAdjustedLoss, torchghm.DynamicFineTuningLoss])
def test_losses_of_a_softmax_have_no_other_form(build):
    assert build().activation == "softmax"
    with pytest.raises(ValueError, match="`activation` to be one of 'softmax', but got 'sigmoid'"):
        build(activation="sigmoid")


def test_options_are_checked_when_the_loss_is_built():
    with pytest.raises(TypeError, match="Expected options activation, average, .* but got colour"):
        torchghm.AsymmetricLoss(colour=1)
    with pytest.raises(ValueError, match="`q`"):
        torchghm.GeneralizedCrossEntropyLoss(q=2)
    with pytest.raises(ValueError, match="`beta`"):
        torchghm.SymmetricCrossEntropyLoss(beta=-1)
    with pytest.raises(TypeError, match="`sync`"):
        torchghm.QualityFocalLoss(sync=1)


@pytest.mark.parametrize("name", SOFTMAX)
def test_a_softmax_compiles_in_one_graph(name):
    torch.compiler.reset()  # one forward of them all, which is compiled anew for each: more often than is allowed
    logits, targets = batch("softmax")
    options = {"num_classes": 5} if name == "adjusted" else {}
    loss, twin = (SOFTMAX[name][0](activation="softmax", **options) for _ in range(2))
    step = torch.compile(loss, backend="eager", fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(step(logits, targets), twin(logits, targets))
