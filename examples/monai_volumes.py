"""MONAI's RetinaNet on volumes: a network of one level, on noise with one object each."""

import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape

import torchghm
from torchghm.integrations.monai import harmonize


class Network(torch.nn.Module):
    """One level of stride 8; MONAI's own networks have the same attributes."""

    spatial_dims, num_classes, num_anchors, size_divisible = 3, 1, 1, 8
    cls_key, box_reg_key = "classification", "box_regression"

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Conv3d(1, 8, 8, stride=8)
        self.cls, self.box = torch.nn.Conv3d(8, 1, 1), torch.nn.Conv3d(8, 6, 1)

    def forward(self, images: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        """Return both heads' maps."""
        features = self.body(images)
        return {self.cls_key: [self.cls(features)], self.box_reg_key: [self.box(features)]}


torch.manual_seed(0)
anchors = AnchorGeneratorWithAnchorShape(feature_map_scales=(1,), base_anchor_shapes=((8, 8, 8),))
detector = RetinaNetDetector(Network(), anchors)
detector.set_regular_matcher(0.3, 0.2)
harmonize(detector, torchghm.GHMCLoss(), torchghm.GHMRLoss())
images = list(torch.rand(2, 1, 16, 16, 16))
targets = [{"boxes": torch.tensor([[0.0, 0, 0, 9, 9, 9]]), "labels": torch.tensor([0])} for _ in images]
optimizer = torch.optim.SGD(detector.parameters(), lr=0.01)
for step in range(5):
    losses = detector.train()(images, targets)
    optimizer.zero_grad()
    sum(losses.values()).backward()
    optimizer.step()
    print(f"step {step}: cross entropy {detector.cls_loss_func.diagnostics.plain_loss:.3f}")
