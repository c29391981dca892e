"""RF-DETR's criterion: every layer calls its own loss with the host's soft targets."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from tests.ranks import on_ranks

import torchghm

pytest.importorskip("rfdetr", reason="rfdetr is not installed: pip install '.[hosts]'")

from rfdetr.models.criterion import SetCriterion
from rfdetr.models.matcher import HungarianMatcher

from torchghm.integrations.queries import overlap
from torchghm.integrations.rfdetr import harmonize

CLASSES, QUERIES = 3, 8


class Module(torch.nn.Module):
    """As the host's Lightning module: it has the criterion."""

    def __init__(self, **options):
        super().__init__()
        weights = {"loss_ce": 1, "loss_bbox": 5, "loss_giou": 2}
        options = {"ia_bce_loss": True, "losses": ["labels", "boxes", "cardinality"], **options}
        self.criterion = SetCriterion(CLASSES, HungarianMatcher(), weights, focal_alpha=0.25, **options)


def batch(only=slice(None)):
    torch.manual_seed(1)

    def layer():
        boxes = torch.rand(2, QUERIES, 4)[only] * 0.5 + 0.25
        logits = torch.randn(2, QUERIES, CLASSES)[only]
        return {"pred_logits": logits.requires_grad_(), "pred_boxes": boxes.requires_grad_()}

    outputs = {**layer(), "aux_outputs": [layer(), layer()], "enc_outputs": layer()}
    box = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.3, 0.4, 0.3, 0.3]])
    return outputs, [{"labels": torch.tensor([index, 2]), "boxes": box} for index in range(2)][only]


def test_every_layer_has_a_state_of_the_whole_batch():
    histograms = []
    for only in (slice(None), slice(0, 1), slice(1, 2)):
        module = harmonize(Module().train(), torchghm.GHMCLoss(), torchghm.GHMRLoss())
        outputs, targets = batch(only)
        losses = module.criterion(outputs, targets)
        assert losses.keys() == Module().train().criterion(outputs, targets).keys()
        sum(value for name, value in losses.items() if name.startswith("loss")).backward()
        assert outputs["pred_logits"].grad.abs().sum() > 0
        assert list(module.criterion.cls_losses.branches) == ["last", "auxiliary_0", "auxiliary_1", "encoder"]
        assert module.criterion.box_losses.calls == 4
        branches = module.criterion.cls_losses.branches.items()
        histograms.append({name: loss.diagnostics.local_histogram for name, loss in branches})
    for name, whole in histograms[0].items():
        assert 4 < whole.sum() < 2 * QUERIES * CLASSES  # negatives weigh p^2
        torch.testing.assert_close(whole, histograms[1][name] + histograms[2][name])


def test_one_region_is_cross_entropy_of_the_hosts_soft_targets():
    loss = torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None)
    module = harmonize(Module().train(), loss, torchghm.ASL1Loss(mu=1e-9), weights="none")
    outputs, targets = batch()
    found = module.criterion(outputs, targets)
    own = Module().train().criterion(outputs, targets)
    wanted = torch.zeros(2, QUERIES, CLASSES)
    for image, (queries, objects) in enumerate(module.criterion.matcher(outputs, targets)):
        labels = targets[image]["labels"][objects]
        quality = overlap(outputs["pred_boxes"][image, queries], targets[image]["boxes"][objects])
        score = outputs["pred_logits"][image, queries, labels].sigmoid()
        wanted[image, queries, labels] = (score**0.25 * quality**0.75).clamp(min=0.01).detach()
    entropy = F.binary_cross_entropy_with_logits(outputs["pred_logits"], wanted, reduction="sum")
    torch.testing.assert_close(found["loss_ce"], entropy / wanted.sum().clamp(min=1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["loss_bbox"], own["loss_bbox"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["loss_giou"], own["loss_giou"])
    torch.testing.assert_close(found["class_error"], own["class_error"])


def test_one_region_with_the_hosts_weights_is_its_own_loss():
    loss = torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None)
    module = harmonize(Module().train(), loss)
    found, own = module.criterion(*batch()), Module().train().criterion(*batch())
    for name in ("loss_ce", "loss_ce_0", "loss_ce_1", "loss_ce_enc"):
        torch.testing.assert_close(found[name], own[name])


def test_state_is_saved_with_the_module_and_evaluation_leaves_it():
    module = harmonize(Module().train(), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    module.criterion(*batch())
    state = copy.deepcopy(module.state_dict())
    module.eval().criterion(*batch())
    torch.testing.assert_close(module.state_dict(), state)
    again = harmonize(Module(), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    again.load_state_dict(state)  # branches that it has not seen yet
    torch.testing.assert_close(again.state_dict(), state)


def gradients(only):
    """Compute the gradients of class and box loss: four objects, so that the host's overlap term has one divisor."""
    module = harmonize(Module().train(), torchghm.GHMCLoss(bins=5), torchghm.GHMRLoss())
    outputs, targets = batch(only)
    losses = module.criterion(outputs, targets)
    sum(value for name, value in losses.items() if name.startswith("loss")).backward()
    return outputs["pred_logits"].grad, outputs["aux_outputs"][1]["pred_boxes"].grad


def on_rank(rank):
    """An image each; wrappers average gradients over the processes."""
    found = gradients(slice(rank, rank + 1))
    return [gradient / dist.get_world_size() for gradient in found]


def test_two_processes_have_the_gradients_of_one(tmp_path):
    ranks = on_ranks(on_rank, tmp_path)
    for index, alone in enumerate(gradients(slice(None))):
        assert alone.abs().sum() > 0
        torch.testing.assert_close(torch.cat([rank[index] for rank in ranks]), alone, rtol=1e-4, atol=1e-6)


def test_what_does_not_fit_is_named():
    with pytest.raises(TypeError, match="RFDETRModelModule or a SetCriterion of rfdetr, but got torch.nn.*Linear"):
        harmonize(torch.nn.Linear(1, 1), torchghm.GHMCLoss())
    with pytest.raises(ValueError, match="a criterion of boxes alone, but got one of labels, boxes, masks"):
        harmonize(Module(losses=["labels", "boxes", "masks"]), torchghm.GHMCLoss())
    outputs, targets = batch()
    module = harmonize(Module(), torchghm.GHMCLoss())
    with pytest.raises(ValueError, match="targets of their own sizes, but got padded ones"):
        module.criterion(outputs, [{**target, "valid": torch.ones(2)} for target in targets])
    targets[0]["labels"] = torch.tensor([0, CLASSES])
    with pytest.raises(ValueError, match="class labels from 0 to 2"):
        module.criterion(outputs, targets)
