from __future__ import annotations

from tests.detection.models import small_retinanet
from torchvision.ops import box_iou

import torchghm
from torchghm.detection import detection_examples, harmonize


def test_targets_of_anchors(batch):
    model = harmonize(small_retinanet(), torchghm.GHMCLoss.published())
    examples = detection_examples(model, *batch)
    images, targets = model.transform(*batch)
    features = list(model.backbone(images.tensors).values())
    anchors = model.anchor_generator(images, features)
    matched = [model.proposal_matcher(box_iou(targets[0]["boxes"], anchors[0]))]
    for anchor in range(examples.targets.shape[1]):
        match = matched[0][anchor].item()
        label = examples.targets[0, anchor].item()
        if match >= 0:
            assert label == targets[0]["labels"][match]
        elif match == -2:
            assert label == -100
        else:
            assert label == -1
    assert set(examples.targets[1].unique().tolist()) <= {-1, -100}
    assert sum(examples.level_sizes) == examples.targets.shape[1]
