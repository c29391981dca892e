"""GHM-C as a mean over positives, as detectors divide their losses."""

from __future__ import annotations

import pytest
import torch

from torchghm import CrossEntropyLoss, GHMCLoss
from torchghm.detection.examples.scope import LevelLosses

ROWS, CLASSES, POSITIVES = 400, 5, 60


def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(ROWS, CLASSES, generator=generator, dtype=torch.float64) * 3
    targets = torch.full((ROWS,), -1)
    targets[:POSITIVES] = torch.randint(0, CLASSES, (POSITIVES,), generator=generator)
    targets[100:120] = -100
    return logits, targets


def dense(targets):
    return torch.nn.functional.one_hot(targets.clamp(min=0), CLASSES).double() * (targets >= 0)[:, None]


@pytest.mark.parametrize("backend", ["eager", "cpu"])
def test_is_the_sum_over_the_number_of_positives(backend):
    logits, targets = batch()
    total = GHMCLoss(reduction="sum", backend=backend)(logits, targets)
    mean = GHMCLoss(average="positives", backend=backend)(logits, targets)
    torch.testing.assert_close(mean, total / POSITIVES)


def test_with_one_region_it_is_the_cross_entropy_of_detectors():
    logits, targets = batch()
    torch.testing.assert_close(
        GHMCLoss(bins=1, normalize="occupied")(logits, targets), CrossEntropyLoss(average="positives")(logits, targets)
    )
    # Measured against the positives the one region counts for no more than ten examples each.
    examples = int((targets != -100).sum()) * CLASSES
    torch.testing.assert_close(
        GHMCLoss(bins=1)(logits, targets),
        CrossEntropyLoss(average="positives")(logits, targets) * (10 * POSITIVES / examples),
    )


def test_positives_weigh_what_they_weigh():
    logits, targets = batch()
    targets = targets.clamp(min=-1)
    generator = torch.Generator().manual_seed(1)
    for weight in (torch.rand(ROWS, CLASSES, generator=generator), torch.rand(ROWS, generator=generator)):
        full = weight if weight.dim() == 2 else weight[:, None].expand(ROWS, CLASSES)
        total = GHMCLoss(reduction="sum")(logits, targets, weight)
        wanted = total / (dense(targets) * full).sum()
        for given in (targets, dense(targets)):
            torch.testing.assert_close(GHMCLoss(average="positives")(logits, given, weight), wanted)


def test_soft_targets_are_positives_in_part():
    logits, targets = batch()
    soft = dense(targets) * 0.5
    total = GHMCLoss(reduction="sum")(logits, soft)
    torch.testing.assert_close(GHMCLoss(average="positives")(logits, soft), total / (POSITIVES / 2))


def test_without_a_positive_it_is_the_sum():
    logits, targets = batch()
    background = targets.clamp(max=-1)
    total = GHMCLoss(reduction="sum")(logits, background)
    torch.testing.assert_close(GHMCLoss(average="positives")(logits, background), total)


def test_softmax_examples_are_all_positive():
    logits, targets = batch()
    values = [
        GHMCLoss(activation="softmax", average=average)(logits, targets.clamp(min=0))
        for average in ("positives", "examples")
    ]
    assert values[0] == values[1]


def test_levels_are_weighed_by_their_positives():
    logits, targets = batch()
    parts = [(logits[:30], targets[:30]), (logits[30:], targets[30:])]  # 30 positives each
    losses = [GHMCLoss(average="positives")(*part) for part in parts]
    joint = LevelLosses(GHMCLoss(average="positives"), 2)(parts)
    torch.testing.assert_close(joint, (losses[0] + losses[1]) / 2)


def test_a_level_without_a_positive_adds_its_sum():
    logits, targets = batch()
    parts = [(logits[:100], targets[:100]), (logits[120:], targets[120:])]  # all 60 positives, and none
    sums = [GHMCLoss(reduction="sum")(*part) for part in parts]
    torch.testing.assert_close(LevelLosses(GHMCLoss(), 2)(parts), (sums[0] + sums[1]) / 60)
    none = [(part, background.clamp(max=-1)) for part, background in parts]
    sums = [GHMCLoss(reduction="sum")(*part) for part in none]
    torch.testing.assert_close(LevelLosses(GHMCLoss(), 2)(none), sums[0] + sums[1])


@pytest.mark.parametrize("given", ["integers", "dense"])
def test_what_is_left_out_is_no_positive(given):
    logits, targets = batch()
    targets = targets.clamp(min=-1)
    wanted = GHMCLoss()(logits[10:], targets[10:])
    logits[:10] = float("nan")
    loss = GHMCLoss(nonfinite="ignore")
    torch.testing.assert_close(loss(logits, dense(targets) if given == "dense" else targets), wanted)


@pytest.mark.parametrize("backend", ["eager", "cpu"])
def test_the_default_against_its_definition(backend):
    logits, targets = batch()
    logits.requires_grad_()
    value = GHMCLoss(backend=backend)(logits, targets)
    valid = targets != -100
    x, t = logits[valid], dense(targets)[valid]
    norm = (x.sigmoid() - t).abs().detach()
    region = (norm * 30).long().clamp(max=29)
    counts = [int((region == number).sum()) for number in range(30)]
    beta = torch.tensor([min(1.0, 10 * POSITIVES / count) if count else 0.0 for count in counts], dtype=torch.float64)
    cross_entropy = -(t * x.sigmoid().log() + (1 - t) * (1 - x.sigmoid()).log())
    wanted = (beta[region] * cross_entropy).sum() / POSITIVES
    torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(one, logits, retain_graph=True)[0] for one in (value, wanted)))


def test_refuses_another_average():
    with pytest.raises(ValueError, match="`average` to be one of 'examples', 'positives', but got 'anchors'"):
        GHMCLoss(average="anchors")


def test_an_ignored_class_has_no_positives():
    logits, targets = batch()
    kept = targets.masked_fill(targets == 2, -100)
    torch.testing.assert_close(
        GHMCLoss(ignore_index=2)(logits, targets.masked_fill(targets == -100, 2)), GHMCLoss()(logits, kept)
    )
