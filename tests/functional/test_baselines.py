"""The baselines against torch's and torchvision's own, and OHEM against a literal selection."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from torchghm.functional import cross_entropy_loss, focal_loss, ohem_loss, smooth_l1_loss


@pytest.fixture
def batch():
    torch.manual_seed(0)
    logits = torch.randn(60, 5)
    targets = torch.randint(-1, 5, (60,))
    targets[::7] = -100
    dense = (targets[:, None] == torch.arange(5)).float()
    return logits, targets, dense, targets != -100


def test_cross_entropy(batch):
    logits, targets, dense, valid = batch
    each = F.binary_cross_entropy_with_logits(logits[valid], dense[valid], reduction="none")
    torch.testing.assert_close(cross_entropy_loss(logits, targets), each.sum() / dense.sum())
    torch.testing.assert_close(cross_entropy_loss(logits, targets, average="examples"), each.mean())
    labels = targets.where(targets != -1, -100)
    softmax = cross_entropy_loss(logits, labels, activation="softmax")
    torch.testing.assert_close(softmax, F.cross_entropy(logits, labels))


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (None, 2.0), (0.5, 0.5), (None, 0.0)])
def test_focal_loss(batch, alpha, gamma):
    logits, targets, dense, valid = batch
    torchvision_alpha = -1 if alpha is None else alpha
    ours, theirs, soft = (logits.clone().requires_grad_() for _ in range(3))
    expected = sigmoid_focal_loss(theirs[valid], dense[valid], torchvision_alpha, gamma, "sum") / dense.sum()
    loss = focal_loss(ours, targets, alpha=alpha, gamma=gamma)
    torch.testing.assert_close(loss, expected)
    from_dense = focal_loss(soft, dense, valid.float(), alpha=alpha, gamma=gamma)
    torch.testing.assert_close(from_dense, expected)
    for value in (loss, from_dense, expected):
        value.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(soft.grad, theirs.grad, rtol=1e-4, atol=1e-7)


def test_focal_loss_of_certain_logits_has_a_gradient():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    focal_loss(logits, torch.tensor([0]), gamma=0.5).backward()
    assert logits.grad.isfinite().all()


def test_ohem_keeps_the_hardest_negatives(batch):
    logits, targets, dense, valid = batch
    each = F.binary_cross_entropy_with_logits(logits, dense, reduction="none")
    positive = (dense == 1) & valid[:, None]
    negatives = each[(dense == 0) & valid[:, None]].sort(descending=True).values
    kept = int(positive.sum()) * 2
    expected = (each[positive].sum() + negatives[:kept].sum()) / positive.sum()
    torch.testing.assert_close(ohem_loss(logits, targets, negatives_per_positive=2), expected)


def test_ohem_without_a_positive_keeps_its_minimum():
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    expected = F.softplus(torch.tensor([1.0, 2.0])).sum()
    torch.testing.assert_close(ohem_loss(logits, torch.tensor([-1]), min_negatives=2), expected)


@pytest.mark.parametrize("delta", [0.0, 1 / 9, 1.0])
def test_smooth_l1(delta):
    inputs, targets = torch.randn(8, 4), torch.randn(8, 4)
    torch.testing.assert_close(
        smooth_l1_loss(inputs, targets, delta=delta), F.smooth_l1_loss(inputs, targets, beta=delta)
    )


@pytest.mark.parametrize("loss", [cross_entropy_loss, focal_loss, ohem_loss])
def test_all_ignored(loss):
    logits = torch.randn(3, 2, requires_grad=True)
    value = loss(logits, torch.full((3,), -100))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (focal_loss, {"gamma": -1}, "`gamma`"),
        (focal_loss, {"alpha": 2}, "`alpha`"),
        (ohem_loss, {"negatives_per_positive": -1}, "`negatives_per_positive`"),
        (cross_entropy_loss, {"average": "all"}, "`average`.*'all'"),
    ],
)
def test_mistakes_are_named(loss, options, message):
    with pytest.raises(ValueError, match=message):
        loss(torch.zeros(2, 3), torch.tensor([0, 1]), **options)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (None, 2.0), (None, 0.0)])
def test_focal_loss_of_softmax(batch, alpha, gamma):
    logits, targets, _, _ = batch
    labels = targets.where(targets != -1, -100)
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    kept = labels >= 0
    own = theirs[kept].softmax(1)[torch.arange(int(kept.sum())), labels[kept]]
    expected = ((1.0 if alpha is None else alpha) * -((1 - own) ** gamma) * own.log()).mean()
    loss = focal_loss(ours, labels, alpha=alpha, gamma=gamma, activation="softmax")
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)
