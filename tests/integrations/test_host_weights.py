"""The host's weights of examples, and the positives that regions are measured against."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

import torchghm
from torchghm.integrations.host_weights import with_host_weights
from torchghm.integrations.soft_targets import RelativeGHMCLoss


@pytest.mark.parametrize("backend", ["auto", "eager"])
@pytest.mark.parametrize("nonfinite", ["propagate", "ignore"])
def test_regions_are_measured_against_the_weights_of_positives(backend, nonfinite):
    loss, _ = with_host_weights(torchghm.GHMCLoss(bins=2, backend=backend, nonfinite=nonfinite), None)
    logits = torch.full((100, 2), -3.0)
    targets, weight = torch.zeros(100, 2), torch.full((100, 2), 0.5)
    targets[0, 0] = targets[1, 1] = 0.1
    weight[0, 0], weight[1, 1] = 0.2, 0.4
    if nonfinite == "ignore":
        logits[1, 1] = float("nan")
    value = loss(logits, targets, weight)
    # All lie in the first region: p = 0.047.
    kept = torch.ones(100, 2, dtype=torch.bool) if nonfinite == "propagate" else logits.isfinite()
    positives = max(1.0, float(weight[(targets > 0) & kept].sum()))
    beta = min(1.0, 10 * positives / float(weight[kept].sum()))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, weight, reduction="none")
    assert beta < 1
    assert value.item() == pytest.approx(beta * entropy[kept].sum().item(), rel=1e-5)


def test_copies_and_pickles_are_the_same():
    loss, _ = with_host_weights(torchghm.GHMCLoss(), None)
    inputs = torch.randn(10, 2), torch.rand(10, 2), torch.rand(10, 2)
    expected = copy.deepcopy(loss)(*inputs)
    assert torch.equal(pickle.loads(pickle.dumps(loss))(*inputs), expected)


def test_the_hosts_weights_are_for_a_harmonized_loss():
    loss = torchghm.GHMCLoss()
    weighed, host = with_host_weights(loss, None)
    assert (weighed.reduction, host) == ("sum", True)
    assert loss.reduction == "mean"
    assert with_host_weights(loss, "none") == (loss, False)
    assert with_host_weights(loss, None, offered=False) == (loss, False)
    for other in (torchghm.FocalLoss(), RelativeGHMCLoss()):
        assert with_host_weights(other, None) == (other, False)
    assert with_host_weights(None, None) == (None, False)


@pytest.mark.parametrize(
    ("loss", "weights", "offered", "message"),
    [
        (torchghm.FocalLoss(), "host", True, "to be 'none' beside FocalLoss, but got 'host'"),
        (None, "host", True, "to be 'none' beside NoneType, but got 'host'"),
        (torchghm.GHMCLoss(), "host", False, "to be 'none' where the targets are the classes alone, but got 'host'"),
        (torchghm.GHMCLoss(), "own", True, "`weights` to be .*'host'.* but got 'own'"),
    ],
)
def test_weights_that_do_not_fit_are_named(loss, weights, offered, message):
    with pytest.raises(ValueError, match=message):
        with_host_weights(loss, weights, offered=offered)
