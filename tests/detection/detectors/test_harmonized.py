"""Properties of every detector: it is built, harmonized, trained, copied, saved, run in mixed precision, restored."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from tests.detection.models import LIGHT, frozen, harmonized, small_batch, small_detector
from torch import nn

import torchghm
from torchghm.detection import DETECTORS, detection_examples, harmonize, restore


@pytest.mark.parametrize("name", DETECTORS)
def test_trained_copied_saved_and_restored(name):
    images, targets = (part[:1] if name == "ssd300" else part for part in small_batch())
    model = harmonized(frozen(small_detector(name)))
    losses = model(images, targets)
    assert {*model.cls_terms, *model.box_terms} <= set(losses)
    sum(losses.values()).backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0].abs().sum() > 0  # of the first layer
    model.zero_grad(set_to_none=True)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    if name != "ssd300":  # the same class as ssdlite320, and large
        results = []
        for one in (model, twin):
            torch.manual_seed(2)  # the RoI heads draw their proposals
            results.append(one(images, targets))
        for key, value in results[0].items():
            torch.testing.assert_close(results[1][key], value)
    state = model.state_dict()
    assert any("density_state" in key for key in state)
    assert any("residual_scale" in key for key in state)
    twin.load_state_dict(state)
    with torch.no_grad():
        (found,) = twin.eval()(images[:1])
    assert set(found["labels"].tolist()) <= {0, 1, 2}
    host = type(restore(model))
    assert host.__module__.startswith("torchvision.")
    assert not any("loss" in key or "residual" in key for key in model.state_dict())
    assert not any(module._forward_hooks for module in model.modules())
    assert not [module for module in model.modules() if type(module).__name__.startswith(("Harmonized", "Matching"))]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["retinanet", *LIGHT])
def test_mixed_precision(name, dtype):
    images, targets = small_batch(empty=False)
    model = harmonize(
        frozen(small_detector(name)),
        torchghm.GHMCLoss.published(momentum=0),
        torchghm.GHMRLoss.published(mu="auto", momentum=0),
    )
    torch.manual_seed(2)
    expected = model(images, targets)
    torch.manual_seed(2)
    with torch.autocast("cpu", dtype=dtype):
        losses = model(images, targets)
    for key in (*model.cls_terms, *model.box_terms):
        assert losses[key].dtype == torch.float32
        if key != "loss_box_reg":  # whose proposals are other ones in half precision
            torch.testing.assert_close(losses[key], expected[key], rtol=0.15, atol=0)
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", LIGHT)
def test_a_batch_without_any_object_trains(name):
    images, targets = small_batch()
    targets = [targets[1], targets[1]]
    model = harmonized(small_detector(name))
    losses = model(images, targets)
    assert all(losses[term] == 0 for term in model.box_terms)
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", DETECTORS)
def test_density_is_that_of_the_batch(name):
    """The loss is that of all examples at once; each image alone has other weights, as predicted."""
    images, targets = small_batch(empty=False)
    model = small_detector(name)
    if name == "faster_rcnn_mobilenet":  # with unit statistics nothing of the image reaches its last layer
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1
        model(images, targets)
    harmonize(frozen(model), torchghm.GHMCLoss.published(momentum=0), torchghm.GHMRLoss.published(momentum=0))
    spread_logits(model, detection_examples(model, images, targets).logits)
    cls_term, box_term = model.cls_terms[0], model.box_terms[0]
    examples = detection_examples(model, images, targets)
    whole = model(images, targets)
    beta = model.cls_loss.diagnostics.beta
    expected = torchghm.functional.ghmc_loss(examples.logits, examples.targets)
    torch.testing.assert_close(whole[cls_term], expected, rtol=1e-4, atol=0)
    expected = torchghm.functional.ghmr_loss(examples.predicted, examples.encoded)
    torch.testing.assert_close(whole[box_term], expected, rtol=1e-3, atol=0)
    for index in range(2):
        one = slice(index, index + 1)
        alone = detection_examples(model, images[one], targets[one])
        torch.testing.assert_close(alone.logits, examples.logits[one], rtol=1e-3, atol=1e-4)
        part = model(images[one], targets[one])[cls_term]
        expected = torchghm.functional.ghmc_loss(alone.logits, alone.targets)
        torch.testing.assert_close(part, expected, rtol=1e-3, atol=0)
        assert ((model.cls_loss.diagnostics.beta / beta)[beta > 0] - 1).abs().max() > 0.05


@torch.no_grad()
def spread_logits(model: nn.Module, logits: torch.Tensor) -> None:
    """At the start every image has the same two occupied regions, whatever it shows."""
    if hasattr(model, "rpn"):
        last = [model.rpn.head.cls_logits]
    elif hasattr(model.head.classification_head, "module_list"):
        levels = model.head.classification_head.module_list
        last = [level[-1] if isinstance(level, nn.Sequential) else level for level in levels]
    else:
        last = [model.head.classification_head.cls_logits]
    for layer in last:
        layer.weight *= 3 / logits.std()
