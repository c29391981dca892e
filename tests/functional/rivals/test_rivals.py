"""The rivals' formulas against one number at a time, value and gradient, and what each becomes at its limits."""

from __future__ import annotations

import pytest
import torch
from tests.oracles import rivals as oracle

from torchghm.functional import cross_entropy_loss, focal_loss
from torchghm.functional import rivals as formulas
from torchghm.functional.baselines import cross_entropy_formula, focal_formula
from torchghm.functional.weighed import LossOptions, weigh_examples

GRADIENTS = [(3.0, 4.0), (0.5, 20.0), (9.0, 2.0), (1e-3, 1.0)]
PRIORS = [0.6, 0.3, 0.0999, 0.0001]
SIGMOID = {
    "asymmetric": (formulas.asymmetric_formula(), oracle.asymmetric(4, 0, 0.05)),
    "asymmetric, both": (formulas.asymmetric_formula(1.5, 0.5, 0.2), oracle.asymmetric(1.5, 0.5, 0.2)),
    "asymmetric, no margin": (formulas.asymmetric_formula(2, 1, 0), oracle.asymmetric(2, 1, 0)),
    "poly1": (formulas.poly1_focal_formula(), oracle.poly1_focal(-1, 0.25, 2)),
    "poly1, no alpha": (formulas.poly1_focal_formula(2.0, None, 0.5), oracle.poly1_focal(2, None, 0.5)),
    "sce": (formulas.symmetric_cross_entropy_formula(), oracle.symmetric(0.1, 1, -4)),
    "sce, others": (formulas.symmetric_cross_entropy_formula(6, 0.1, -9), oracle.symmetric(6, 0.1, -9)),
    "gce": (formulas.generalized_cross_entropy_formula(), oracle.generalized(0.7)),
    "gce, absolute error": (formulas.generalized_cross_entropy_formula(1), oracle.generalized(1)),
    "quality": (formulas.quality_focal_formula(), oracle.quality_focal(2)),
    "quality, half": (formulas.quality_focal_formula(0.5), oracle.quality_focal(0.5)),
    "eqlv2": (
        formulas.equalization_formula(formulas.equalization_weights(torch.tensor(GRADIENTS, dtype=torch.float64).T)),
        oracle.equalization(GRADIENTS, 12, 0.8, 4),
    ),
}
SOFTMAX = {
    "poly1": (formulas.poly1_focal_formula(), oracle.poly1_focal_softmax(-1, 0.25, 2)),
    "poly1, no alpha": (formulas.poly1_focal_formula(2.0, None, 0.5), oracle.poly1_focal_softmax(2, None, 0.5)),
    "sce": (formulas.symmetric_cross_entropy_formula(), oracle.symmetric_softmax(0.1, 1, -4)),
    "gce": (formulas.generalized_cross_entropy_formula(), oracle.generalized_softmax(0.7)),
    "adjusted": (formulas.logit_adjustment_formula(torch.tensor(PRIORS)), oracle.logit_adjustment(PRIORS, 1)),
    "adjusted, twice": (
        formulas.logit_adjustment_formula(torch.tensor(PRIORS), 2.0),
        oracle.logit_adjustment(PRIORS, 2),
    ),
    "dft": (formulas.dynamic_fine_tuning_formula, oracle.dynamic_fine_tuning()),
}


def batch(softmax: bool, soft: bool, dtype=torch.float64):
    """Logits, targets for us and for the oracle, weights: 12 rows of 4 classes, some of them no examples."""
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(12, 4, generator=generator) * 3).to(dtype)
    weight = torch.rand(12, generator=generator) * 2
    if soft:
        dense = torch.rand(12, 4, generator=generator)
        dense[:4] = (dense[:4] > 0.7).double()  # hard ones among them
        if softmax:
            dense[0, 0] = 1
            dense = dense / dense.sum(1, keepdim=True).clamp(min=1e-9)
        return logits, dense.double(), dense.double().tolist(), weight
    label = torch.randint(0 if softmax else -1, 4, (12,), generator=generator)
    label[::5] = -100
    rows = [None if y == -100 else [float(y == column) for column in range(4)] for y in label.tolist()]
    return logits, label, rows, weight


def check(formula, literal, softmax, soft, average="examples", mean_over="examples"):
    logits, targets, rows, weight = batch(softmax, soft)
    inputs = logits.clone().requires_grad_()
    options = LossOptions("softmax" if softmax else "sigmoid", average)
    value = weigh_examples(inputs, targets, weight, formula, options).loss
    value.backward()
    expected, gradient = oracle.value_and_gradient(
        literal, logits, rows, weight.tolist(), rows=softmax, mean_over=mean_over
    )
    torch.testing.assert_close(value.detach(), expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(inputs.grad, gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", SIGMOID)
def test_sigmoid(name, soft):
    check(*SIGMOID[name], softmax=False, soft=soft)
    mean_over = "objects" if name.startswith("quality") else "positives"
    check(*SIGMOID[name], softmax=False, soft=soft, average="positives", mean_over=mean_over)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax(name, soft):
    check(*SOFTMAX[name], softmax=True, soft=soft)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", SIGMOID)
def test_the_slope_is_autograd_s(name, soft):
    """Also of rows whose logits are far from 0, where a difference of two large numbers would lose everything."""
    logits, targets, _, _ = batch(False, soft)
    inputs = torch.cat([logits, logits[:4] * 6]).requires_grad_()
    targets = torch.cat([targets, targets[:4]])
    weighed = weigh_examples(inputs, targets, None, SIGMOID[name][0], LossOptions(reduction="sum"))
    weighed.loss.backward()
    torch.testing.assert_close(weighed.amount * weighed.slope().detach(), inputs.grad.abs(), rtol=1e-6, atol=1e-9)


def same(one, other, *, softmax=False, soft=False, factor=1.0, rtol=1e-6):
    """Both formulas have the same value and gradient, the first ``factor`` times the second's."""
    logits, targets, _, weight = batch(softmax, soft)
    results = []
    for formula in (one, other):
        inputs = logits.clone().requires_grad_()
        options = LossOptions("softmax" if softmax else "sigmoid", "examples")
        value = weigh_examples(inputs, targets, weight, formula, options).loss
        value.backward()
        results.append((value.detach(), inputs.grad))
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, factor * second, rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("soft", [False, True])
def test_limits(soft):
    entropy = cross_entropy_formula
    same(formulas.asymmetric_formula(0, 0, 0), entropy, soft=soft)
    for softmax in (False, True):
        same(formulas.poly1_focal_formula(0, 0.25, 2), focal_formula(0.25, 2), softmax=softmax, soft=soft)
        same(formulas.symmetric_cross_entropy_formula(0.3, 0), entropy, softmax=softmax, soft=soft, factor=0.3)
        same(formulas.generalized_cross_entropy_formula(1e-7), entropy, softmax=softmax, soft=soft, rtol=1e-5)
    same(formulas.quality_focal_formula(0), entropy, soft=soft)
    same(formulas.logit_adjustment_formula(torch.ones(4)), entropy, softmax=True, soft=soft)
    same(formulas.logit_adjustment_formula(torch.tensor(PRIORS), 0), entropy, softmax=True, soft=soft)
    same(formulas.equalization_formula(formulas.equalization_weights(torch.zeros(2, 4))), entropy, soft=soft)
    same(formulas.asymmetric_formula(2, 2, 0), focal_formula(None, 2), soft=False)


def test_quality_focal_loss_of_hard_targets_is_focal_loss():
    same(formulas.quality_focal_formula(2), focal_formula(None, 2))


def test_dynamic_fine_tuning_scales_the_gradient_of_cross_entropy_by_the_probability():
    logits, targets, _, _ = batch(True, False)
    gradients = []
    for formula in (formulas.dynamic_fine_tuning_formula, cross_entropy_formula):
        inputs = logits.clone().requires_grad_()
        weigh_examples(inputs, targets, None, formula, LossOptions("softmax")).loss.backward()
        gradients.append(inputs.grad)
    probability = logits.softmax(1).gather(1, targets.clamp(min=0)[:, None])
    torch.testing.assert_close(gradients[0], probability * gradients[1])


def test_a_negative_below_the_margin_has_no_gradient():
    logits = torch.tensor([[-4.0, -2.0]], requires_grad=True)  # p of 0.018 and 0.119
    weigh_examples(logits, torch.tensor([-1]), None, formulas.asymmetric_formula(), LossOptions()).loss.backward()
    assert logits.grad[0, 0] == 0
    assert logits.grad[0, 1] > 0


def test_equalization_pushes_a_class_that_lacks_positive_gradient():
    positive, negative = formulas.equalization_weights(torch.tensor([[100.0, 1.0], [100.0, 100.0]]))
    assert positive[1] > 4.9 > 2 > positive[0]
    assert negative[1] < 1e-3 < 0.9 < negative[0]


def test_class_sums_take_no_part_in_what_is_not_finite():
    logits, targets = torch.zeros(2, 2), torch.tensor([0, 1])
    weighed = weigh_examples(logits, targets, None, cross_entropy_formula, LossOptions())
    gradient = weighed.slope()
    gradient[0, 0] = float("nan")
    sums = formulas.class_gradients(weighed.examples, gradient)
    assert torch.equal(sums, torch.tensor([[0.0, 0.5], [0.5, 0.5]]))  # of positives, of negatives


@pytest.mark.parametrize("name", SIGMOID)
def test_logits_far_from_0_are_finite(name):
    logits = torch.tensor([[200.0, -200.0, 90.0, 0.0]] * 2, requires_grad=True)
    weighed = weigh_examples(logits, torch.tensor([0, 1]), None, SIGMOID[name][0], LossOptions())
    weighed.loss.backward()
    assert weighed.loss.isfinite()
    assert logits.grad.isfinite().all()
    assert weighed.slope().isfinite().all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: formulas.asymmetric_formula(-1), "`gamma_negative`"),
        (lambda: formulas.asymmetric_formula(gamma_positive=-1), "`gamma_positive`"),
        (lambda: formulas.asymmetric_formula(margin=1), r"`margin` to be a number in \[0, 1\)"),
        (lambda: formulas.poly1_focal_formula(float("nan")), "`epsilon`"),
        (lambda: formulas.poly1_focal_formula(alpha=2), "`alpha`"),
        (lambda: formulas.symmetric_cross_entropy_formula(log_of_zero=0), "`log_of_zero`"),
        (lambda: formulas.generalized_cross_entropy_formula(0), r"`q` to be a number in \(0, 1\]"),
        (lambda: formulas.quality_focal_formula(-1), "`beta`"),
        (lambda: formulas.logit_adjustment_formula(torch.ones(2), -1), "`tau`"),
    ],
)
def test_mistakes_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_the_plain_loss_is_cross_entropy_whatever_the_formula():
    logits, targets, _, weight = batch(True, False)
    plain = weigh_examples(logits, targets, weight, SOFTMAX["adjusted"][0], LossOptions("softmax")).plain
    torch.testing.assert_close(plain, cross_entropy_loss(logits, targets, weight, activation="softmax"))
    logits, targets, _, weight = batch(False, False)
    value = weigh_examples(logits, targets, weight, formulas.poly1_focal_formula(0), LossOptions()).loss
    torch.testing.assert_close(value, focal_loss(logits, targets, weight))
