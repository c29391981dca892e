import pytest

import torchghm
from torchghm.training import Recipe
from torchghm.training.recipes.loss_section import build_losses


def build(**values):
    return build_losses(Recipe().with_values({f"loss.{key}": value for key, value in values.items()}).loss)


def test_a_detector_s_own_losses_are_none():
    losses = build(cls="own", box="own", warmup="ce")
    assert losses == (None, None, 1, 1, "batch")
    with pytest.raises(ValueError, match=r"cls_options` to be empty for 'own', the detector's own"):
        build(cls="own", cls_options={"bins": 3})


def test_options_and_weights_reach_the_losses():
    losses = build(
        box="ghmr", cls_options={"bins": 7, "max_weight": 5.0}, box_options={"mu": 0.1}, cls_weight=2, box_weight=0
    )
    assert (losses.cls_loss.bins, losses.cls_loss.max_weight, losses.box_loss.mu) == (7, 5.0, 0.1)
    assert (losses.cls_weight, losses.box_weight) == (2, 0)


def test_options_of_the_rivals_by_name():
    losses = build(cls="asymmetric", cls_options={"margin": 0.2, "average": "examples"})
    assert (losses.cls_loss.margin, losses.cls_loss.average) == (0.2, "examples")
    with pytest.raises(ValueError, match="unknown option 'loss.cls_options.gamma' of the loss 'sce'"):
        build(cls="sce", cls_options={"gamma": 2})
    with pytest.raises(ValueError, match="loss.cls_options: Expected argument `q`"):
        build(cls="gce", cls_options={"q": 0})
    with pytest.raises(ValueError, match="unknown option 'loss.cls_options.reduction'"):  # the detector decides
        build(cls="gce", cls_options={"reduction": "none"})


def test_the_reference_has_the_published_settings():
    losses = build(scope="reference", box="ghmr")
    assert type(losses.cls_loss) is torchghm.ReferenceGHMC
    assert type(losses.box_loss) is torchghm.ReferenceGHMR
    assert (losses.cls_loss.bins, losses.cls_loss.momentum) == (30, 0.75)
    assert (losses.box_loss.bins, losses.box_loss.momentum, losses.box_loss.mu) == (10, 0.7, 0.02)


def test_losses_without_a_density_have_no_scope():
    assert build(cls="focal", box="smooth_l1", scope="level").scope == "batch"
    assert build(scope="level").scope == "level"


def test_the_published_settings_by_name():
    losses = build(cls="ghmc_published", box="ghmr_published")
    published = torchghm.GHMCLoss.published(), torchghm.GHMRLoss.published()
    for loss, wanted in zip(losses[:2], published, strict=True):
        assert repr(loss) == repr(wanted)
    reference = build(cls="ghmc_published", box="ghmr_published", scope="reference")
    assert type(reference.cls_loss) is torchghm.ReferenceGHMC
    assert type(reference.box_loss) is torchghm.ReferenceGHMR


def test_a_warm_up_takes_parts_of_the_training():
    recipe = Recipe().with_values({"loss.warmup": "focal", "loss.warmup_until": [0.25, 0.5]})
    loss = build_losses(recipe.loss, calls=200).cls_loss
    assert type(loss) is torchghm.HandoverLoss
    assert (type(loss.first), type(loss.last)) == (torchghm.FocalLoss, torchghm.GHMCLoss)
    assert (loss.start, loss.end) == (50, 100)
    focal = recipe.with_values({"loss.cls": "focal"})
    assert type(build_losses(focal.loss, calls=200).cls_loss) is torchghm.FocalLoss


def test_a_warm_up_that_can_not_be():
    with pytest.raises(ValueError, match="`loss.warmup` to be none with loss.scope=level, but got 'focal'"):
        build(warmup="focal", scope="level")
    with pytest.raises(
        ValueError, match=r"`loss.warmup_until` to be two parts, the smaller first, but got \[0.5, 0.25\]"
    ):
        build(warmup="focal", warmup_until=[0.5, 0.25])
