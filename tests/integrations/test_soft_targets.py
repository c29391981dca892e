"""Both readings of g with soft targets, against loops over Python floats, alone and inside Ultralytics' criterion."""

from __future__ import annotations

import pytest
import torch
from tests.oracles.harmonizing import region, sigmoid_cross_entropy

import torchghm
from torchghm.integrations.soft_targets import RelativeGHMCLoss

READINGS = {"absolute": torchghm.GHMCLoss, "relative": RelativeGHMCLoss}


def literal(reading, logits, targets, weights, bins, published):
    """Loss, gradients and counts of one batch without momentum, by the formulas, in float64."""
    rows = list(zip(logits.flatten().tolist(), targets.flatten().tolist(), weights.flatten().tolist(), strict=True))
    norms, terms = [], []
    for x, t, _ in rows:
        loss, derivative, norm = sigmoid_cross_entropy(x, t)
        norms.append(norm / max(t, 1 - t) if reading == "relative" else norm)
        terms.append((loss, derivative))
    counts = [0.0] * bins
    for norm, (_, _, w) in zip(norms, rows, strict=True):
        counts[region(norm, bins)] += w
    positives, total = sum(t * w for _, t, w in rows), sum(w for _, _, w in rows)
    occupied = sum(count > 0 for count in counts)
    value, gradients = 0.0, []
    for norm, (loss, derivative), (_, _, w) in zip(norms, terms, rows, strict=True):
        count = counts[region(norm, bins)]
        beta = total / (count * occupied) if published else min(1.0, 10 * max(positives, 1.0) / count)
        scale = beta * w / (total if published else max(positives, 1.0))
        value += scale * loss
        gradients.append(scale * derivative)
    return value, gradients, counts


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("reading", READINGS)
def test_loss_and_gradient_are_the_formulas(reading, published):
    torch.manual_seed(0)
    logits = (torch.randn(40, 3, dtype=torch.float64) * 3).requires_grad_()
    targets = torch.rand(40, 3, dtype=torch.float64) * (torch.rand(40, 3) < 0.03)
    targets[0] = torch.tensor([1.0, 0.5, 0.0])
    weights = torch.rand(40, 3, dtype=torch.float64)
    kind = READINGS[reading]
    make = kind.published if published else kind
    loss = make(bins=7, momentum=0.0)
    found = loss(logits, targets, weights)
    found.backward()
    value, gradients, counts = literal(reading, logits.detach(), targets, weights, 7, published)
    assert found.item() == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(logits.grad.flatten(), torch.tensor(gradients, dtype=torch.float64), rtol=1e-4, atol=0)
    histogram = loss.diagnostics.local_histogram[:7].double()
    torch.testing.assert_close(histogram, torch.tensor(counts, dtype=torch.float64), rtol=1e-5, atol=1e-6)


def test_hard_targets_are_the_same_in_both():
    torch.manual_seed(0)
    logits, labels = torch.randn(20, 3), torch.randint(-1, 3, (20,))
    hard = torch.nn.functional.one_hot(labels + 1, 4)[:, 1:].float()
    expected = torchghm.GHMCLoss()(logits, labels)
    torch.testing.assert_close(RelativeGHMCLoss()(logits, labels), expected)
    torch.testing.assert_close(RelativeGHMCLoss()(logits, hard), expected)
    unreduced = RelativeGHMCLoss(reduction="none")(logits, hard)
    torch.testing.assert_close(unreduced, torchghm.GHMCLoss(reduction="none")(logits, hard))


def test_bad_input_is_as_of_the_absolute_reading():
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        RelativeGHMCLoss()(torch.zeros(1, 2), torch.tensor([[0.5, 1.5]]))
    with pytest.raises(TypeError, match="no argument `activation`: RelativeGHMCLoss decides it"):
        RelativeGHMCLoss(activation="softmax")
    left_out = RelativeGHMCLoss(nonfinite="ignore")
    logits = torch.tensor([[float("nan"), 1.0]], requires_grad=True)
    left_out(logits, torch.tensor([[0.5, 0.5]])).backward()
    assert logits.grad[0, 0] == 0
    assert logits.grad[0, 1] > 0
    assert left_out.diagnostics.local_histogram[:30].sum() == 1


@pytest.mark.parametrize("reading", READINGS)
def test_in_ultralytics_with_the_targets_of_its_assigner(reading):
    models = pytest.importorskip("tests.integrations.ultralytics.models")
    from torchghm.integrations.ultralytics.criteria import TaskAlignedEntropy, TrainingLosses, harmonize_criterion

    seen = []

    class Noted(TaskAlignedEntropy):
        def __call__(self, scores, targets):
            seen.append((scores.detach(), targets.detach()))
            return super().__call__(scores, targets)

    model = models.build("distributions")
    harmonize_criterion(model, TrainingLosses(READINGS[reading](momentum=0.0), None))
    model.criterion.bce.__class__ = Noted
    found = model.loss(models.batch())[1]["cls_loss"].item()
    ((scores, targets),) = seen
    assert ((targets > 0) & (targets < 1)).any()
    value, _, _ = literal(reading, scores, targets, torch.ones_like(targets), 30, False)
    assert found == pytest.approx(value * model.args.cls, rel=1e-3)
