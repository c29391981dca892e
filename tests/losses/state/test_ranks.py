"""Two processes with parts of a batch give the gradients of one with the whole, over several steps."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from tests.kernels.batches import threads_and_chunks
from tests.ranks import SentNumbers, on_ranks

from torchghm import AsymmetricLoss, EqualizationLossV2, GHMCLoss, GHMRLoss, HandoverLoss
from torchghm.functional.density import FINE_REGIONS_PER_UNIT
from torchghm.losses import ASL1Loss, CrossEntropyLoss, FocalLoss, OHEMLoss, SmoothL1Loss
from torchghm.losses.state.residual_scale import CELLS_PER_DECADE, DECADES

STEPS = 3
ROWS, BOXES = 1200, 400
# Rows and boxes of the first rank; the second has the rest.
CUTS = {"halves": (600, 200), "unequal": (1000, 30), "one rank has nothing": (ROWS, BOXES)}
LOSSES = {
    "GHM": (GHMCLoss, GHMRLoss),
    "exact GHM": (lambda: GHMCLoss(density="exact"), lambda: GHMRLoss(density="exact")),
    "as published": (GHMCLoss.published, GHMRLoss.published),
    "by way of focal": (lambda: HandoverLoss(FocalLoss(), GHMCLoss(), start=0, end=2), GHMRLoss),
    "cross entropy": (CrossEntropyLoss, SmoothL1Loss),
    "of all examples": (lambda: CrossEntropyLoss(average="examples"), lambda: SmoothL1Loss(average="boxes")),
    "focal": (FocalLoss, ASL1Loss),
    "asymmetric": (AsymmetricLoss, SmoothL1Loss),
    "equalization": (EqualizationLossV2, SmoothL1Loss),
}


def batches():
    generator = torch.Generator().manual_seed(0)
    for step in range(STEPS):
        logits = torch.randn(ROWS, 3, generator=generator) * 3
        targets = torch.randint(-1, 3, (ROWS,), generator=generator)
        if step > 0:  # one positive, which is fewer than ranks, and then none
            targets = targets.clamp(max=-1)
            targets[0] = 0 if step == 1 else -1
        boxes = torch.randn(BOXES, 4, generator=generator) * 0.1
        yield logits, targets, boxes


def run(cls_loss, box_loss, rows=slice(None), some=slice(None)):
    """Losses and gradients of every step, of a part of the batches."""
    steps = []
    for logits, targets, boxes in batches():
        inputs, predicted = logits[rows].requires_grad_(), boxes[some].requires_grad_()
        loss = cls_loss(inputs, targets[rows]) + box_loss(predicted, torch.zeros_like(predicted))
        loss.backward()
        steps.append((loss.detach(), inputs.grad, predicted.grad))
    return steps


def every_case(rank):
    results = {}
    for name, (build_cls, build_box) in LOSSES.items():
        for cut, (rows, boxes) in CUTS.items():
            cls_loss, box_loss = build_cls(), build_box()
            parts = (slice(0, rows), slice(0, boxes)) if rank == 0 else (slice(rows, None), slice(boxes, None))
            with threads_and_chunks(2, chunk=512):  # several on each rank, but for the last boxes
                steps = run(cls_loss, box_loss, *parts)
            cls_loss.eval()
            if rank == 0:
                cls_loss(*next(batches())[:2])  # evaluation on one rank alone must not wait for the other
            results[name, cut] = steps, cls_loss.state_dict(), box_loss.state_dict()
    return results


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return on_ranks(every_case, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", LOSSES)
def test_two_ranks_equal_one(ranks, name, cut):
    (first, *first_states), (second, *second_states) = (rank[name, cut] for rank in ranks)
    losses = [build() for build in LOSSES[name]]
    for step, whole in enumerate(run(*losses)):
        # a data-parallel wrapper averages the ranks' gradients
        for one, other, joint in zip(first[step], second[step], whole, strict=True):
            parts = one + other if joint.dim() == 0 else torch.cat([one, other])
            torch.testing.assert_close(parts / 2, joint, rtol=1e-5, atol=1e-9)
    for loss, one, other in zip(losses, first_states, second_states, strict=True):
        for key, buffer in loss.state_dict().items():
            assert torch.equal(one[key], other[key])
            torch.testing.assert_close(one[key], buffer)


def what_is_sent(rank):
    logits, targets, boxes = next(batches())
    calls = {
        "cls": lambda loss: loss(logits.requires_grad_(), targets),
        "box": lambda loss: loss(boxes.requires_grad_(), torch.zeros_like(boxes)),
    }
    losses = {
        "GHM-C": ("cls", GHMCLoss(bins=30)),
        "GHM-C as published": ("cls", GHMCLoss.published(bins=30)),
        "GHM-C, exact": ("cls", GHMCLoss.published(bins=30, density="exact")),
        "GHM-C, no memory": ("cls", GHMCLoss.published(bins=30, momentum=0)),
        "GHM-C, alone": ("cls", GHMCLoss(bins=30, sync=False)),
        "GHM-R": ("box", GHMRLoss(bins=10)),
        "GHM-R as published": ("box", GHMRLoss.published(bins=10)),
        "GHM-R, exact": ("box", GHMRLoss.published(bins=10, density="exact")),
        "focal": ("cls", FocalLoss()),
        "focal, alone": ("cls", FocalLoss(sync=False)),
        "OHEM": ("cls", OHEMLoss()),
        "EQL v2": ("cls", EqualizationLossV2()),
        "EQL v2, alone": ("cls", EqualizationLossV2(sync=False)),
        "smooth L1": ("box", SmoothL1Loss()),
    }
    sent = {}
    for name, (kind, loss) in losses.items():
        with SentNumbers() as numbers:
            calls[kind](loss).backward()
            calls[kind](loss.eval())
        sent[name] = numbers.sent
    with SentNumbers() as numbers:
        dist.all_reduce(torch.zeros(7))  # what is not counted would pass for nothing sent
    assert numbers.sent == [7]
    return sent


def test_a_step_sends_one_histogram_a_loss_and_evaluation_nothing(tmp_path):
    first, second = on_ranks(what_is_sent, tmp_path)
    assert first == second
    assert first == {
        "GHM-C": [31],  # the number of positives goes along
        "GHM-C as published": [30],
        "GHM-C, exact": [30 * FINE_REGIONS_PER_UNIT],
        "GHM-C, no memory": [30],
        "GHM-C, alone": [],
        "GHM-R": [CELLS_PER_DECADE * DECADES, 10],  # first the residuals' own histogram
        "GHM-R as published": [10],
        "GHM-R, exact": [10 * FINE_REGIONS_PER_UNIT],
        "focal": [1],
        "focal, alone": [],
        "OHEM": [1],
        "EQL v2": [6, 1],  # the gradients of three classes' positives and negatives
        "EQL v2, alone": [],
        "smooth L1": [1],
    }
