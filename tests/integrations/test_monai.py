"""MONAI's detector: its setters take our losses, in two and three dimensions; its sampler is out."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
from tests.ranks import on_ranks

import torchghm

pytest.importorskip("monai", reason="monai is not installed: pip install '.[hosts]'")

from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape

from torchghm.integrations.monai import HarmonizedRetinaNetDetector, harmonize

CLASSES = 2


class Network(torch.nn.Module):
    """A convolution a head, on one level of stride 8."""

    def __init__(self, dimensions):
        super().__init__()
        convolution = (torch.nn.Conv2d, torch.nn.Conv3d)[dimensions - 2]
        self.spatial_dims, self.num_classes, self.num_anchors, self.size_divisible = dimensions, CLASSES, 1, 8
        self.cls_key, self.box_reg_key = "classification", "box_regression"
        self.body = convolution(1, 8, 8, stride=8)
        self.cls, self.box = convolution(8, CLASSES, 1), convolution(8, 2 * dimensions, 1)

    def forward(self, images):
        features = self.body(images)
        return {self.cls_key: [self.cls(features)], self.box_reg_key: [self.box(features)]}


def build(dimensions):
    torch.manual_seed(0)
    anchors = AnchorGeneratorWithAnchorShape(feature_map_scales=(1,), base_anchor_shapes=((8,) * dimensions,))
    detector = RetinaNetDetector(Network(dimensions), anchors)
    detector.set_regular_matcher(0.5, 0.4)
    detector.set_hard_negative_sampler(batch_size_per_image=4, positive_fraction=0.5)
    return detector.train()


def batch(dimensions, only=slice(None)):
    torch.manual_seed(1)
    images = list(torch.rand(2, 1, *[16] * dimensions))[only]
    box = torch.tensor([[0.0] * dimensions + [9.0] * dimensions])
    return images, [{"boxes": box.clone(), "labels": torch.tensor([1])} for _ in images]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_hook_fires_with_all_anchors_of_the_batch(dimensions):
    histograms = []
    for only in (slice(None), slice(0, 1), slice(1, 2)):
        detector = harmonize(build(dimensions), torchghm.GHMCLoss(), torchghm.GHMRLoss())
        losses = detector(*batch(dimensions, only))
        sum(losses.values()).backward()
        assert losses.keys() == {"classification", "box_regression"}
        assert detector.box_loss_func.diagnostics.estimate.examples > 0
        histograms.append(detector.cls_loss_func.diagnostics.local_histogram)
    assert histograms[0].sum() == 2 * 2**dimensions * CLASSES  # no sampler
    torch.testing.assert_close(histograms[0], histograms[1] + histograms[2])


def test_one_region_is_the_hosts_own_cross_entropy():
    own = build(2)
    own.fg_bg_sampler = None
    loss = torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None, average="examples")
    ours = harmonize(build(2), loss)(*batch(2))
    torch.testing.assert_close(ours["classification"], own(*batch(2))["classification"])


def test_state_is_saved_with_the_detector_and_evaluation_leaves_it():
    detector = harmonize(build(2), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    detector(*batch(2))
    state = copy.deepcopy(detector.state_dict())
    assert state["cls_loss_func.density_state.seen"] > 0
    with torch.no_grad():
        detector.eval()(batch(2)[0])
    torch.testing.assert_close(detector.state_dict(), state)
    again = harmonize(build(2), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    again.load_state_dict(state)
    assert type(copy.deepcopy(again)) is HarmonizedRetinaNetDetector


def test_no_object_is_zero_with_a_graph():
    """So that a rank without one takes part in the sums of the others."""
    detector = harmonize(build(2), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    images, targets = batch(2)
    for target in targets:
        target["boxes"], target["labels"] = target["boxes"][:0], target["labels"][:0]
    losses = detector(images, targets)
    assert losses["box_regression"].item() == 0
    assert losses["box_regression"].requires_grad
    assert detector.box_loss_func.diagnostics is not None


def gradients(only):
    detector = harmonize(build(2), torchghm.GHMCLoss(bins=5), torchghm.GHMRLoss())
    sum(detector(*batch(2, only)).values()).backward()
    return {name: parameter.grad for name, parameter in detector.named_parameters()}


def on_rank(rank):
    """An image each; wrappers average gradients over the processes."""
    found = gradients(slice(rank, rank + 1))
    for gradient in found.values():
        dist.all_reduce(gradient)
        gradient /= 2
    return found


def test_two_processes_have_the_gradients_of_one(tmp_path):
    alone = gradients(slice(None))
    for found in on_ranks(on_rank, tmp_path):
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-6)


def test_state_of_other_shapes_is_named():
    state = harmonize(build(2), torchghm.GHMCLoss()).state_dict()
    with pytest.raises(RuntimeError, match="saved with 30 regions, but this loss has 10"):
        harmonize(build(2), torchghm.GHMCLoss(bins=10)).load_state_dict(state)


def test_what_does_not_fit_is_named():
    with pytest.raises(TypeError, match="RetinaNetDetector, but got torch.nn.modules.linear.Linear"):
        harmonize(torch.nn.Linear(1, 1), torchghm.GHMCLoss())
    detector = harmonize(build(2), torchghm.GHMCLoss())
    images, targets = batch(2)
    targets[0]["labels"][0] = CLASSES
    with pytest.raises(ValueError, match="class labels from 0 to 1, but got values from 1 to 2"):
        detector(images, targets)


def test_loss_that_is_never_called_is_an_error():
    detector = harmonize(build(2), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    copy.deepcopy(detector)(*batch(2))  # a copy has its own losses
    detector.set_cls_loss(torch.nn.BCEWithLogitsLoss())
    with pytest.raises(RuntimeError, match="cls_loss_func of this HarmonizedRetinaNetDetector is never called: .*BCEW"):
        detector(*batch(2))
    harmonize(detector, torchghm.GHMCLoss())(*batch(2))
