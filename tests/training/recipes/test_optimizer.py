import math

import pytest
import torch

from torchghm.training import Recipe
from torchghm.training.recipes.optimizer import build_optimizer, build_schedule, clip_grad_norm_, learning_rate_factor


def recipe(**values):
    return Recipe().with_values({f"optimizer.{key}": value for key, value in values.items()}).optimizer


def parameters(*sizes):
    return [torch.nn.Parameter(torch.randn(size, generator=torch.Generator().manual_seed(size))) for size in sizes]


def test_published_schedule():
    factor = learning_rate_factor(
        recipe(schedule="steps", warmup_steps=500, milestones=[8, 11]), total_steps=12_000, steps_per_epoch=1000
    )
    assert factor(0) == pytest.approx(0.001)
    assert factor(250) == pytest.approx(0.5005)
    assert [factor(step) for step in (500, 7999, 8000, 10_999, 11_000)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_cosine_ends_at_zero_and_constant_stays():
    cosine = learning_rate_factor(recipe(schedule="cosine", warmup_steps=10), total_steps=110, steps_per_epoch=11)
    assert [cosine(step) for step in (10, 60, 110)] == pytest.approx([1, 0.5, 0])
    constant = learning_rate_factor(recipe(schedule="constant"), total_steps=9, steps_per_epoch=3)
    assert {constant(step) for step in range(9)} == {1.0}


@pytest.mark.parametrize("total_steps", [1, 2, 3, 10, 11])
@pytest.mark.parametrize("schedule", ["one_cycle", "steps", "cosine", "constant"])
def test_every_schedule_lasts_exactly_as_long_as_the_run(schedule, total_steps):
    settings = recipe(schedule=schedule)
    optimizer = build_optimizer(settings, parameters(3), fused=True)
    schedule = build_schedule(settings, optimizer, total_steps=total_steps, steps_per_epoch=1)
    for _ in range(total_steps):
        assert 0 < optimizer.param_groups[0]["lr"] <= settings.lr + 1e-12
        optimizer.step()
        schedule.step()


def test_frozen_parameters_are_left_out():
    trained, frozen = parameters(2, 3)
    frozen.requires_grad = False
    optimizer = build_optimizer(recipe(name="sgd", momentum=0.5), [trained, frozen], fused=True)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]
    assert optimizer.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("schedule", ["one_cycle", "steps", "cosine", "constant"])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_backbone_has_a_factor_of_the_learning_rate_in_every_step(name, schedule):
    settings = recipe(name=name, lr=0.4, schedule=schedule, warmup_steps=3, milestones=[4], backbone_lr_factor=0.25)
    plain = recipe(name=name, lr=0.4, schedule=schedule, warmup_steps=3, milestones=[4])
    backbone, head, frozen = parameters(2, 3, 4)
    frozen.requires_grad = False
    optimizer = build_optimizer(settings, [frozen, backbone, head], backbone=[frozen, backbone], fused=True)
    assert [group["params"] for group in optimizer.param_groups] == [[head], [backbone]]
    alone = build_optimizer(plain, [head], fused=True)
    schedules = [build_schedule(settings, one, total_steps=9, steps_per_epoch=1) for one in (optimizer, alone)]
    rates = []
    for _ in range(9):
        rates.append([group["lr"] for group in (*optimizer.param_groups, *alone.param_groups)])
        for one, its_schedule in zip((optimizer, alone), schedules, strict=True):
            one.step()
            its_schedule.step()
    for of_head, of_backbone, expected in rates:
        assert of_head == pytest.approx(expected, rel=1e-12)
        assert of_backbone == pytest.approx(0.25 * expected, rel=1e-9)
    assert len({expected for *_, expected in rates}) > 1 or schedule == "constant"


def test_no_group_is_made_of_nothing():
    backbone, head = parameters(2, 3)
    whole = build_optimizer(recipe(), [backbone, head], backbone=[backbone], fused=True)
    assert [group["params"] for group in whole.param_groups] == [[backbone, head]]
    backbone.requires_grad = False
    head_alone = build_optimizer(recipe(backbone_lr_factor=0.1), [backbone, head], backbone=[backbone], fused=True)
    assert [group["params"] for group in head_alone.param_groups] == [[head]]


@pytest.mark.parametrize("factor", [0, -0.5, 1.5])
def test_the_factor_is_in_range(factor):
    with pytest.raises(ValueError, match=r"optimizer\.backbone_lr_factor"):
        recipe(backbone_lr_factor=factor)


@pytest.mark.parametrize("largest", [None, 0.5, 1e6])
def test_gradient_norm_clips_as_torch_does(largest):
    ours, theirs = parameters(4, 9), parameters(4, 9)
    for parameter in (*ours, *theirs):
        parameter.grad = 2 * parameter.detach()
    expected = torch.nn.utils.clip_grad_norm_(theirs, largest if largest is not None else math.inf)
    torch.testing.assert_close(clip_grad_norm_([*ours, torch.nn.Parameter(torch.ones(1))], largest), expected)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
