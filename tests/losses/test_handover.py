"""From one loss to another: the share that rises, the state that is kept, and that a detector may use it."""

from __future__ import annotations

import copy

import pytest
import torch

from torchghm import CrossEntropyLoss, FocalLoss, GHMCLoss, GHMRLoss, HandoverLoss, SmoothL1Loss
from torchghm.detection import build_detector, harmonize


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(50, 3, generator=generator), torch.randint(-1, 3, (50,), generator=generator)


def test_goes_from_the_first_to_the_last():
    loss = HandoverLoss(FocalLoss(), GHMCLoss(momentum=0), start=2, end=5)
    first, last = FocalLoss(), GHMCLoss(momentum=0)
    for share in (0, 0, 0.25, 0.5, 0.75, 1, 1):
        torch.testing.assert_close(loss.share, torch.tensor(float(share)))
        logits, targets = batch()
        logits.requires_grad_()
        value = loss(logits, targets)
        wanted = share * last(logits, targets) + (1 - share) * first(logits, targets)
        torch.testing.assert_close(value, wanted)
        gradients = [torch.autograd.grad(one, logits)[0] for one in (value, wanted)]
        torch.testing.assert_close(*gradients)


def test_the_last_knows_its_density_when_it_takes_over():
    loss = HandoverLoss(FocalLoss(), GHMCLoss(momentum=0.9), start=3, end=3)
    alone = GHMCLoss(momentum=0.9)
    for seed in range(5):
        value, wanted = loss(*batch(seed)), alone(*batch(seed))
    assert torch.equal(value, wanted)
    assert torch.equal(loss.diagnostics.fractions, alone.diagnostics.fractions)


def test_from_the_start_it_is_the_last_alone():
    loss = HandoverLoss(FocalLoss(), GHMCLoss(), start=0, end=0)
    assert torch.equal(loss(*batch()), GHMCLoss()(*batch()))


def test_evaluation_counts_no_call():
    loss = HandoverLoss(FocalLoss(), GHMCLoss(), start=0, end=2).eval()
    for _ in range(5):
        loss(*batch())
    assert loss.calls == 0


def test_goes_on_where_it_was_saved():
    loss = HandoverLoss(FocalLoss(), GHMCLoss(), start=0, end=4)
    for seed in range(2):
        loss(*batch(seed))
    copied, loaded = copy.deepcopy(loss), HandoverLoss(FocalLoss(), GHMCLoss(), start=0, end=4)
    loaded.load_state_dict(loss.state_dict())
    values = [one(*batch(7)) for one in (loss, copied, loaded)]
    assert values[0] == values[1] == values[2]
    assert loaded.share == loss.share == pytest.approx(0.8)


def test_options_are_those_of_the_last():
    loss = HandoverLoss(FocalLoss(), GHMCLoss(bins=12), start=0, end=4)
    assert (loss.bins, loss.activation, loss.diagnostics) == (12, "sigmoid", None)
    with pytest.raises(AttributeError, match="no attribute 'gamma'"):
        loss.gamma  # noqa: B018


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": -1}, "`start` to be an integer of at least 0, but got -1"),
        ({"start": 1.5}, "`start` to be an integer"),
        ({"end": 3}, "`end` to be an integer of at least `start`, 10, but got 3"),
        ({"first": FocalLoss(activation="softmax")}, "same activation, but got 'softmax' and 'sigmoid'"),
        ({"last": GHMCLoss(ignore_index=7)}, "same ignore_index, but got -100 and 7"),
    ],
)
def test_refuses(change, message):
    arguments = {"first": FocalLoss(), "last": GHMCLoss(), "start": 10, "end": 20}
    with pytest.raises(ValueError, match=message):
        HandoverLoss(**{**arguments, **change})


def test_a_detector_trains_with_it():
    detector = build_detector("retinanet", num_classes=2, image_size=(64, 64), anchor_sizes=(16, 32, 64, 128, 256))
    loss = HandoverLoss(FocalLoss(), GHMCLoss(), start=0, end=1)
    harmonize(detector, loss, SmoothL1Loss())
    targets = [{"boxes": torch.tensor([[4.0, 4.0, 40.0, 40.0]]), "labels": torch.tensor([1])}]
    for _ in range(2):
        losses = detector([torch.rand(3, 64, 64)], targets)
    assert loss.share == 1
    examples = detector.cls_loss.diagnostics.estimate.examples
    assert losses["classification"].requires_grad
    assert 0 < examples <= (64 + 16 + 4 + 1 + 1) * 9 * 2  # logits of five levels; some anchors are ignored
    with pytest.raises(ValueError, match="scope='batch' for argument `cls_loss`, a HandoverLoss, but got 'level'"):
        harmonize(detector, loss, GHMRLoss(), scope="level")
    with pytest.raises(ValueError, match="activation"):
        harmonize(
            detector,
            HandoverLoss(FocalLoss(activation="softmax"), GHMCLoss(activation="softmax"), start=0, end=1),
            SmoothL1Loss(),
        )


def test_a_compiled_backward_has_the_share_of_its_own_step():
    gradients = []
    for compiled in (False, True):
        loss = HandoverLoss(FocalLoss(), CrossEntropyLoss(), start=1, end=2)
        called = torch.compile(loss, backend="aot_eager") if compiled else loss
        for step in range(3):
            logits, targets = batch(step)
            logits.requires_grad_()
            called(logits, targets).backward()
            gradients.append(logits.grad)
    for eager, other in zip(gradients[:3], gradients[3:], strict=True):
        torch.testing.assert_close(other, eager)
