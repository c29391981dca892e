"""Wrong calls of the losses in one's own loop: each names the argument, what was expected, and what fits."""

import pytest
import torch
from torch import nn

import torchghm
from torchghm import functional

LOSSES = [
    torchghm.GHMCLoss,
    torchghm.CrossEntropyLoss,
    torchghm.FocalLoss,
    torchghm.OHEMLoss,
    torchghm.GHMRLoss,
    torchghm.SmoothL1Loss,
    torchghm.ASL1Loss,
]
INPUTS, TARGETS = torch.linspace(-2, 2, 24).view(6, 4), torch.linspace(0, 1, 24).view(6, 4)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 4)])
def test_any_negative_weight_is_refused(loss, shape):
    weight = torch.full(shape, 5.0)
    weight.view(-1)[1] = -0.1  # beside larger ones: no sum is negative
    for training in (True, False):
        with pytest.raises(ValueError, match="`weight` to hold numbers of at least 0, but got -0.1"):
            loss().train(training)(INPUTS, TARGETS, weight)


def test_a_negative_weight_of_a_function_is_refused():
    weight = torch.tensor([1.0, 1, 1, 1, 1, -0.1])
    for function in (functional.ghmc_loss, functional.cross_entropy_loss, functional.ghmr_loss):
        with pytest.raises(ValueError, match="`weight` to hold numbers of at least 0, but got -0.1"):
            function(INPUTS, TARGETS, weight)
    assert functional.ghmc_loss(INPUTS, TARGETS, weight, validate=False).isfinite()


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_rows_may_keep_the_class_axis(loss):
    weight = torch.linspace(0, 3, 6)
    kept = loss()(INPUTS, TARGETS, weight[:, None])
    assert torch.equal(kept, loss()(INPUTS, TARGETS, weight))


def test_weights_of_rows_may_keep_a_class_axis_in_the_middle():
    inputs, targets = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    weight = torch.rand(2, 4, 5)
    loss = torchghm.GHMCLoss(activation="softmax", class_dim=1)
    kept = loss(inputs, targets, weight[:, None])
    again = torchghm.GHMCLoss(activation="softmax", class_dim=1)
    assert torch.equal(kept, again(inputs, targets, weight))


def test_class_weights_are_refused_by_that_name():
    with pytest.raises(ValueError, match=r"one for every class, \[4\]: .*weight.expand_as\(inputs\)"):
        torchghm.GHMCLoss()(INPUTS, TARGETS, torch.ones(4))
    with pytest.raises(ValueError, match=r"one for every class, \[4\]: .*weight\[targets\]"):
        torchghm.CrossEntropyLoss(activation="softmax")(INPUTS, torch.zeros(6, dtype=torch.int64), torch.ones(4))
    assert torchghm.GHMCLoss()(torch.zeros(4), torch.zeros(4), torch.ones(4)).isfinite()  # a weight a logit


@pytest.mark.parametrize("loss", [torchghm.GHMCLoss, torchghm.CrossEntropyLoss])
def test_a_target_of_255_suggests_to_ignore_it(loss):
    targets = torch.tensor([0, 7, 255, 3, -1, 255])
    with pytest.raises(ValueError, match=r"got 3 other value\(s\), for example 255\. .*: ignore_index=255"):
        loss()(INPUTS, targets)
    with pytest.raises(ValueError, match=r"got 1 other value\(s\), for example 7\.$"):
        loss(ignore_index=255)(INPUTS, targets)
    with pytest.raises(ValueError, match=r"values in \[0, 1\], but got 1 other value\(s\), for example 1\.5\.$"):
        loss()(INPUTS, TARGETS.where(TARGETS < 1, 1.5))


def test_shapes_that_fit_with_another_class_axis_say_so():
    images, labels = torch.randn(2, 5, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64)
    with pytest.raises(ValueError, match="They fit with class_dim=1"):
        torchghm.GHMCLoss()(images, labels)
    with pytest.raises(ValueError, match="They fit with class_dim=3"):
        torchghm.CrossEntropyLoss(class_dim=1)(images.movedim(1, -1), labels)
    with pytest.raises(ValueError, match="for every logit must be floats"):
        torchghm.GHMCLoss()(INPUTS, torch.zeros(6, 4, dtype=torch.int64))


@pytest.mark.parametrize("loss", [torchghm.GHMCLoss, torchghm.GHMRLoss])
def test_another_device_than_the_loss_s_is_named(loss):
    with pytest.raises(ValueError, match=r"device of the loss, cpu, but got meta: .*\.to\(.meta.\)"):
        loss()(INPUTS.to("meta"), TARGETS.to("meta"))


def test_diagnostics_show_the_plain_loss_first_and_are_short():
    for loss, name in ((torchghm.GHMCLoss(), "Diagnostics"), (torchghm.CrossEntropyLoss(), "PlainDiagnostics")):
        loss(INPUTS, TARGETS)
        text = repr(loss.diagnostics)
        plain, share = loss.diagnostics.plain_loss, loss.diagnostics.positive_share
        assert text.startswith(f"{name}(plain_loss={plain:.4g}, positive_share={share:.4g}, occupied_regions=")
        assert len(text) < 120
    boxes = torchghm.SmoothL1Loss()
    boxes(INPUTS, TARGETS)
    assert repr(boxes.diagnostics) == f"PlainDiagnostics(plain_loss={boxes.diagnostics.plain_loss:.4g})"


def test_a_checkpoint_from_before_the_loss_is_loaded_as_the_documentation_says():
    before = nn.ModuleDict({"network": nn.Linear(3, 2)})
    now = nn.ModuleDict({"network": nn.Linear(3, 2), "loss": torchghm.GHMCLoss()})
    missing, unexpected = now.load_state_dict(before.state_dict(), strict=False)
    assert missing
    assert all(key.startswith("loss.") for key in missing)
    assert not unexpected
    assert torch.equal(now["network"].weight, before["network"].weight)
