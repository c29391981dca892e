"""A training step of each host, forward and backward on random images with objects in each: no optimizer, no data.

YOLO is the host's own smallest model; the DETR family has its own number of queries, layers and classes behind a small
backbone; MONAI's RetinaNet has a ResNet-18 and, with its own losses, its sampler of hard negatives.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import torch

import torchghm
from benchmarks.speed.measure import Step

IMAGES, OBJECTS, SIDE = 4, 10, 256


def _boxes() -> torch.Tensor:
    return torch.cat([torch.rand(OBJECTS, 2) * 0.6 + 0.2, torch.rand(OBJECTS, 2) * 0.2 + 0.1], 1)


def _ultralytics(layout: str, box_loss: bool) -> dict[str, Step]:
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    from torchghm.integrations.ultralytics.criteria import TrainingLosses, harmonize_criterion

    batch = {
        "img": torch.rand(IMAGES, 3, SIDE, SIDE),
        "batch_idx": torch.arange(IMAGES).repeat_interleave(OBJECTS).float(),
        "cls": torch.randint(0, 80, (IMAGES * OBJECTS, 1)).float(),
        "bboxes": torch.cat([_boxes() for _ in range(IMAGES)]),
    }

    def step(harmonized: bool) -> Step:
        torch.manual_seed(0)
        model = DetectionModel(layout, verbose=False).train()
        model.args = get_cfg()
        if harmonized:
            losses = TrainingLosses(torchghm.GHMCLoss(), torchghm.GHMRLoss() if box_loss else None)
            harmonize_criterion(model, losses)
        return lambda: model.loss(batch)[0].sum().backward()

    return {"own": step(False), "GHM": step(True)}


def _transformers(family: str) -> dict[str, Step]:
    import transformers

    from torchghm.integrations.transformers import harmonize

    backbone = transformers.RTDetrResNetConfig(
        embedding_size=32,
        depths=[1, 1, 1, 1],
        layer_type="basic",
        hidden_sizes=[32, 64, 128, 256],
        out_features=["stage2", "stage3", "stage4"],
    )
    labels = [{"class_labels": torch.randint(0, 80, (OBJECTS,)), "boxes": _boxes()} for _ in range(IMAGES)]
    images = torch.rand(IMAGES, 3, SIDE, SIDE)

    def step(harmonized: bool) -> Step:
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(
            backbone_config=backbone, encoder_in_channels=[64, 128, 256], num_labels=80
        )
        model = getattr(transformers, f"{family}ForObjectDetection")(config).train()
        if harmonized:
            harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss())
        return lambda: model(pixel_values=images, labels=labels).loss.backward()

    return {"own": step(False), "GHM": step(True)}


def _tokens() -> dict[str, Step]:
    import transformers

    from torchghm.integrations.transformers import compute_loss_func

    config = transformers.BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512)
    config.num_labels = 9
    ids, labels = torch.randint(0, 1000, (16, 128)), torch.randint(0, 9, (16, 128))
    model = transformers.BertForTokenClassification(config).train()
    loss = compute_loss_func(model, torchghm.GHMCLoss(activation="softmax"))
    return {
        "own": lambda: model(input_ids=ids, labels=labels).loss.backward(),
        "GHM": lambda: loss(model(input_ids=ids), labels).backward(),
    }


def _rfdetr() -> dict[str, Step]:
    from rfdetr.models.criterion import SetCriterion
    from rfdetr.models.matcher import HungarianMatcher

    from torchghm.integrations.rfdetr import harmonize

    layers = [
        {
            "pred_logits": torch.randn(IMAGES, 300, 91, requires_grad=True),
            "pred_boxes": torch.rand(IMAGES, 300, 4) / 2 + 0.2,
        }
        for _ in range(4)
    ]
    for layer in layers:
        layer["pred_boxes"].requires_grad_()
    outputs = {**layers[0], "aux_outputs": layers[1:3], "enc_outputs": layers[3]}
    targets = [{"labels": torch.randint(0, 91, (OBJECTS,)), "boxes": _boxes()} for _ in range(IMAGES)]

    def step(harmonized: bool) -> Step:
        criterion: Any = SetCriterion(
            91, HungarianMatcher(), {}, 0.25, ["labels", "boxes", "cardinality"], ia_bce_loss=True
        ).train()
        if harmonized:
            harmonize(criterion, torchghm.GHMCLoss(), torchghm.GHMRLoss())

        def run() -> None:
            losses = criterion(outputs, targets)
            sum(value for name, value in losses.items() if name.startswith("loss")).backward()

        return run

    return {"own": step(False), "GHM": step(True)}


def _monai() -> dict[str, Step]:
    from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
    from monai.apps.detection.networks.retinanet_network import RetinaNet, resnet_fpn_feature_extractor
    from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
    from monai.networks.nets import resnet18

    from torchghm.integrations.monai import harmonize

    sides = torch.tensor([SIDE] * 4)
    corners = [boxes[:, :2] - boxes[:, 2:] / 2 for boxes in (_boxes() for _ in range(IMAGES))]
    boxes = [torch.cat([corner, corner + 0.15], 1).clamp(0, 1) * sides for corner in corners]
    targets = [{"boxes": one, "labels": torch.zeros(OBJECTS, dtype=torch.int64)} for one in boxes]
    images = list(torch.rand(IMAGES, 1, SIDE, SIDE))

    def step(harmonized: bool) -> Step:
        torch.manual_seed(0)
        backbone = resnet18(spatial_dims=2, n_input_channels=1, conv1_t_stride=2)
        features = resnet_fpn_feature_extractor(backbone, 2, returned_layers=(2, 3))
        network = RetinaNet(2, 1, 3, features, size_divisible=32)
        anchors = AnchorGeneratorWithAnchorShape((1, 2, 4), ((16, 16), (24, 12), (12, 24)))
        detector: Any = RetinaNetDetector(network, anchors).train()
        detector.set_atss_matcher(num_candidates=4, center_in_gt=False)
        if harmonized:
            harmonize(detector, torchghm.GHMCLoss(), torchghm.GHMRLoss())
        else:
            detector.set_hard_negative_sampler(batch_size_per_image=64, positive_fraction=0.3, min_neg=16, pool_size=20)
        return lambda: sum(detector(images, targets).values()).backward()

    return {"own": step(False), "GHM": step(True)}


HOSTS: dict[str, Callable[[], dict[str, Step]]] = {
    "Ultralytics YOLO11n": lambda: _ultralytics("yolo11n.yaml", box_loss=False),
    "Ultralytics YOLO26n": lambda: _ultralytics("yolo26n.yaml", box_loss=True),
    "Transformers RT-DETR": lambda: _transformers("RTDetr"),
    "Transformers token classification": _tokens,
    "RF-DETR, criterion alone": _rfdetr,
    "MONAI RetinaNet": _monai,
}
