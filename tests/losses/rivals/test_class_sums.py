"""The memory of the losses that count: sized by the first batch, kept, restored, moved about."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from tests.ranks import on_ranks
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from torchghm import EqualizationLossV2, LogitAdjustedLoss
from torchghm.losses.rivals.class_sums import ClassSums

LOSSES = {"eqlv2": EqualizationLossV2, "adjusted": LogitAdjustedLoss}


def batch(seed: int, classes: int = 4):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(200, classes, generator=generator) * 2 - 1
    return logits, torch.randint(0, classes - 1, (200,), generator=generator)


def sums(loss):
    (state,) = (module for module in loss.modules() if isinstance(module, ClassSums))
    return state


@pytest.mark.parametrize("name", LOSSES)
def test_resumed_equals_uninterrupted(name, tmp_path):
    whole, first, second = (LOSSES[name]() for _ in range(3))
    for step in range(3):
        whole(*batch(step))
        first(*batch(step))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    buffer = sums(second).sums
    assert torch.equal(second(*batch(3)), whole(*batch(3)))
    assert torch.equal(sums(second).sums, sums(whole).sums)
    assert sums(second).sums is buffer


@pytest.mark.parametrize("name", LOSSES)
def test_the_memory_changes_the_loss_and_evaluation_changes_nothing(name):
    loss = LOSSES[name]()
    at_first = loss(*batch(0))
    assert loss(*batch(0)) != at_first
    before = sums(loss).sums.clone()
    loss.eval()
    torch.testing.assert_close(loss(*batch(1)), loss(*batch(1)), rtol=0, atol=0)
    assert torch.equal(sums(loss).sums, before)
    unseen = LOSSES[name]().eval()
    torch.testing.assert_close(unseen(*batch(0)), at_first)
    assert sums(unseen).sums.numel() == 0


@pytest.mark.parametrize("name", LOSSES)
def test_the_buffer_is_the_same_tensor_from_the_start_on(name):
    loss = LOSSES[name]()
    buffer = sums(loss).sums
    loss(*batch(0))
    assert sums(loss).sums is buffer
    assert buffer.shape[1] == 4
    assert buffer.sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_float32_whatever_the_model_is_cast_to(name):
    loss = LOSSES[name]()
    loss(*batch(0))
    expected = copy.deepcopy(loss)(*batch(1))
    kept = sums(loss).sums.clone()
    for moved in (
        copy.deepcopy(loss).half().float(),
        copy.deepcopy(loss).to(torch.bfloat16),
        copy.deepcopy(loss).double(),
        pickle.loads(pickle.dumps(loss)),
    ):
        assert sums(moved).sums.dtype == torch.float32
        assert torch.equal(sums(moved).sums, kept)
        torch.testing.assert_close(moved(*batch(1)), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_another_number_of_classes_is_refused(name):
    loss = LOSSES[name]()
    loss(*batch(0))
    with pytest.raises(ValueError, match="`inputs` to hold 4 classes, as the batches before, but got 3"):
        loss(*batch(0, classes=3))


def test_a_state_of_another_number_of_classes_is_refused_where_it_was_said():
    saved = EqualizationLossV2(num_classes=3).state_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        EqualizationLossV2(num_classes=4).load_state_dict(saved)
    with pytest.raises(ValueError, match="`num_classes` to be None or an integer of at least 1, but got 0"):
        EqualizationLossV2(num_classes=0)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_of_nothing_and_one_that_is_not_finite_leave_the_memory_usable(name):
    loss = LOSSES[name]()
    logits, targets = batch(0)
    loss(logits, targets)
    before = sums(loss).sums.clone()
    loss(logits, torch.full_like(targets, -100))
    assert torch.equal(sums(loss).sums, before)
    weight = torch.ones(200)
    weight[0] = float("nan")
    loss(logits, targets, weight)
    assert sums(loss).sums.isfinite().all()


class Classifier(nn.Module):
    """A model that holds its loss, as a harmonized detector does."""

    def __init__(self, loss):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.loss = nn.Linear(4, 4), loss

    def forward(self, inputs, targets):
        return self.loss(self.layer(inputs), targets)


def gradients_of_steps(model, rows):
    gradients = []
    for step in range(3):
        inputs, targets = batch(step)
        model.zero_grad()
        model(inputs[rows], targets[rows]).backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    return gradients


def train_in_parallel(rank):
    rows = slice(0, 150) if rank == 0 else slice(150, None)
    results = {}
    for name, build in LOSSES.items():
        model = Classifier(build())
        results[name] = gradients_of_steps(DistributedDataParallel(model), rows), sums(model.loss).sums
    return results


def test_a_data_parallel_model_has_the_joint_batch_s_gradients_and_sums(tmp_path):
    first, second = on_ranks(train_in_parallel, tmp_path)
    for name, build in LOSSES.items():
        model = Classifier(build())
        torch.testing.assert_close(first[name][0], gradients_of_steps(model, slice(None)), rtol=1e-4, atol=1e-7)
        assert torch.equal(first[name][1], second[name][1])
        torch.testing.assert_close(first[name][1], sums(model.loss).sums)
