"""RF-DETR's criterion on made outputs; in a training of yours it is that of an RFDETRModelModule."""

import torch
from rfdetr.models.criterion import SetCriterion
from rfdetr.models.matcher import HungarianMatcher

import torchghm
from torchghm.integrations.rfdetr import harmonize

torch.manual_seed(0)
weights = {"loss_ce": 1.0, "loss_bbox": 5.0, "loss_giou": 2.0}
criterion = SetCriterion(
    3, HungarianMatcher(), weights, focal_alpha=0.25, losses=["labels", "boxes", "cardinality"], ia_bce_loss=True
)
harmonize(criterion.train(), torchghm.GHMCLoss(), torchghm.GHMRLoss())
logits = torch.randn(2, 10, 3, requires_grad=True)
boxes = (torch.rand(2, 10, 4) * 0.5 + 0.25).requires_grad_()
targets = [{"labels": torch.tensor([1]), "boxes": torch.tensor([[0.5, 0.5, 0.4, 0.4]])} for _ in range(2)]
losses = criterion({"pred_logits": logits, "pred_boxes": boxes}, targets)
sum(losses[name] * weight for name, weight in weights.items()).backward()
print({name: round(value.item(), 3) for name, value in losses.items()})
