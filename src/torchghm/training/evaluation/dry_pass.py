"""A dry pass: gradient norms and box residuals of a data set after a few steps of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from torchghm.data import DetectionData, DetectionDataset, collate, evaluation_transforms
from torchghm.detection import detection_examples
from torchghm.detection.backbones.feature_pyramids import backbone_body
from torchghm.training.evaluation.gradient_norms import classification_counts
from torchghm.training.initial_weights import load_initial_weights
from torchghm.training.loop.datamodule import Batch, on_device
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.recipe_data import with_boxes
from torchghm.training.recipes.optimizer import build_optimizer, build_schedule, clip_grad_norm_
from torchghm.training.recipes.recipe import Recipe

NEUTRAL = {"loss.cls": "focal", "loss.box": "smooth_l1", "loss.stage": None}
"""Values of the recipe that a dry pass trains with; of a detector of two stages it counts the first."""


@dataclass(frozen=True)
class ExampleCounts:
    """Counts of training examples, a row a batch.

    Attributes:
        positive: [batches, cells] positives in equal cells of the gradient norm, [0, 1].
        negative: [batches, cells] likewise.
        residual: |d| of every box coordinate.
        images: in a batch.
    """

    positive: Tensor
    negative: Tensor
    residual: Tensor
    images: int


def dry_pass(data: DetectionData, recipe: Recipe, device: torch.device, *, steps: int, batches: int) -> ExampleCounts:
    """Train for a few steps with focal loss and smooth L1, which need no advice, and count the examples.

    Arguments:
        data: with boxes in its split "train".
        recipe: its losses are not used; the learning rate goes through its whole schedule.
        device: to compute on.
        steps: of the optimiser, at least 1.
        batches: to count afterwards, at least 2.

    Raises:
        ValueError: no boxes, fewer training images than a batch has, steps or batches out of range.
    """
    if steps < 1:
        raise ValueError(f"Expected argument `steps` to be at least 1, but got {steps}")
    recipe = recipe.with_values(NEUTRAL)
    loader = _loader(data, recipe)
    module = DetectorModule(recipe, data.classes, steps_per_epoch=steps, with_weights=recipe.model.init is None).to(
        device
    )
    load_initial_weights(module)
    backbone = backbone_body(module.detector).parameters()
    optimizer = build_optimizer(recipe.optimizer, module.parameters(), backbone=backbone, fused=True)
    schedule = build_schedule(recipe.optimizer, optimizer, total_steps=steps, steps_per_epoch=steps)
    module.train()
    for images, targets in islice(_batches(loader, device), steps):
        loss = torch.stack(list(module.detector(images, targets).values())).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        clip_grad_norm_(module.parameters(), recipe.optimizer.gradient_clip)
        optimizer.step()
        schedule.step()
    return count_examples(module, data, device, batches=batches)


@torch.no_grad()
def count_examples(module: DetectorModule, data: DetectionData, device: torch.device, *, batches: int) -> ExampleCounts:
    """Count gradient norms and residuals of training batches, with a detector as it is.

    Arguments:
        module: on the device.
        data: with boxes in its split "train".
        device: to compute on.
        batches: at least 2; images come again where there are fewer.
    """
    if batches < 2:
        raise ValueError(f"Expected argument `batches` to be at least 2, but got {batches}")
    module.eval()
    positive: list[Tensor] = []
    negative: list[Tensor] = []
    residual: list[Tensor] = []
    for images, targets in islice(_batches(_loader(data, module.recipe), device), batches):
        examples = detection_examples(module.detector, images, targets)
        for counts, of_batch in zip((positive, negative), classification_counts(examples), strict=True):
            counts.append(of_batch.cpu())
        residual.append((examples.predicted - examples.encoded).abs().flatten().cpu())
    distance = torch.cat(residual)
    finite = distance[distance.isfinite()].double()
    return ExampleCounts(torch.stack(positive), torch.stack(negative), finite, module.recipe.data.batch_size)


def _loader(data: DetectionData, recipe: Recipe) -> DataLoader[Any]:
    records = with_boxes(data, "train")
    if len(records) < recipe.data.batch_size:
        raise ValueError(
            f"Expected `data.batch_size` to be at most the {len(records)} training images, "
            f"but got {recipe.data.batch_size}"
        )
    return DataLoader(
        DetectionDataset(records, data.classes, evaluation_transforms(), training=True),
        batch_size=recipe.data.batch_size,
        shuffle=True,
        drop_last=True,
        generator=torch.Generator().manual_seed(recipe.seed),
        collate_fn=collate,
    )


def _batches(loader: DataLoader[Any], device: torch.device) -> Iterator[Batch]:
    """Yield batches without end, on the device."""
    while True:
        for images, targets in loader:
            yield on_device(images, targets, device)
