"""A detector under Lightning's trainer: steps, metrics, and the description in a checkpoint."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Optimizer

import torchghm
from torchghm.detection.backbones.feature_pyramids import backbone_body
from torchghm.training.loop.average_precision import (
    DetectionMetrics,
    SeenImage,
    joint_average_precision,
    seen_images,
)
from torchghm.training.loop.data_order import batch_seed
from torchghm.training.loop.datamodule import Batch
from torchghm.training.loop.epoch_means import EpochMeans
from torchghm.training.loop.nonfinite import NonFiniteGuard
from torchghm.training.recipes.detector import build_from_recipe
from torchghm.training.recipes.optimizer import build_optimizer, build_schedule, clip_grad_norm_
from torchghm.training.recipes.recipe import Recipe

CHECKPOINT_KEY = "torchghm"
MEANS_KEY = "torchghm_epoch_means"
DIAGNOSTICS = {
    "cls": ("plain_loss", "positive_share", "occupied_regions", "largest_beta"),
    "box": ("plain_loss",),
}
"""Diagnostics that are logged of each loss's last call."""


class DetectorModule(LightningModule):
    """Trains the detector that a recipe describes.

    Arguments:
        recipe: see `Recipe`.
        classes: names, in the order of the labels.
        steps_per_epoch: optimiser steps of an epoch; needed to train. (Lightning's `estimated_stepping_batches` would
            start the loader before a resumed run knows which epoch is next.)
        guard: checks that every step is finite; by default as the recipe says.
        with_weights: load the backbone's weights, which a checkpoint makes superfluous.
        skipped_steps: steps of finished epochs that were not taken, because `trainer.max_steps` ended one early.
    """

    def __init__(
        self,
        recipe: Recipe,
        classes: tuple[str, ...],
        *,
        steps_per_epoch: int = 0,
        guard: NonFiniteGuard | None = None,
        with_weights: bool = True,
        skipped_steps: int = 0,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.classes = classes
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = recipe.trainer.epochs * steps_per_epoch - skipped_steps
        """Optimiser steps of the whole run."""
        if recipe.trainer.max_steps is not None:
            self.total_steps = min(self.total_steps, recipe.trainer.max_steps)
        self.detector, losses = build_from_recipe(
            recipe, len(classes), with_weights=with_weights, steps=self.total_steps
        )
        self.cls_weight, self.box_weight = losses.cls_weight, losses.box_weight
        self.guard = guard or NonFiniteGuard(recipe.trainer.on_nonfinite)
        self.means = EpochMeans()
        self.newest: dict[str, Tensor] = {}
        """Losses and diagnostics of the last step, by the names of metrics.csv."""
        self.seen: list[SeenImage] = []
        """This process's validation images so far."""
        self.validation: DetectionMetrics | None = None
        """Average precision of the newest epoch."""

    def on_fit_start(self) -> None:
        """Compile the backbone, if the recipe says so: in place, so that checkpoints have the same keys."""
        if self.recipe.trainer.compile:
            # What comes after it is loops over images and objects of changing numbers: nothing to compile.
            self.detector.backbone.compile()

    def on_train_start(self) -> None:
        """Train no more where the last step was taken before the run was interrupted."""
        self._stop_after_the_last_step()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make random numbers a function of the place in the run, so that an interruption changes none of them."""
        if batch_idx % self.recipe.trainer.accumulate == 0:
            self.guard.keep(self.detector.buffers())
        torch.manual_seed(batch_seed(self.recipe.seed, self.current_epoch, batch_idx, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of a batch."""
        images, targets = batch
        parts = self.detector(images, targets)
        classification = torch.stack([parts.pop(name) for name in self.detector.cls_terms]).sum()
        box = torch.stack([parts.pop(name) for name in self.detector.box_terms]).sum()
        loss: Tensor = self.cls_weight * classification + self.box_weight * box
        seen = {"train/classification": classification.detach(), "train/bbox_regression": box.detach()}
        for name, part in parts.items():  # the detector's own: FCOS's centerness, the RoI heads' classes
            loss = loss + part
            seen[f"train/{name}"] = part.detach()
        seen["train/loss"] = loss.detach()
        for kind, names in DIAGNOSTICS.items():
            diagnostics = getattr(getattr(self.detector, f"{kind}_loss"), "diagnostics", None)
            for name in names:
                value = getattr(diagnostics, name, None)
                if value is not None:
                    seen[f"train/{kind}_{name}"] = value.detach()
        self.newest = seen
        self.guard.remember(loss.detach(), seen, [target["index"] for target in targets])
        self.means.add(seen)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """End the run after `trainer.max_steps`, with a last validation."""
        self._stop_after_the_last_step()

    def _stop_after_the_last_step(self) -> None:
        limit = self.recipe.trainer.max_steps
        if limit is not None and self.trainer.global_step >= limit:
            self.trainer.should_stop = True

    def training_means(self) -> dict[str, float]:
        """Return the means of an epoch over all processes, and start the next."""
        return self.means.compute(self._summed_over_ranks)

    def _summed_over_ranks(self, totals: Tensor) -> Tensor:
        summed: Tensor = self.trainer.strategy.reduce(totals, reduce_op="sum")
        return summed

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Gather the detections of a batch."""
        images, targets = batch
        self.seen += seen_images(self.detector(images), targets)

    def on_validation_epoch_end(self) -> None:
        """Compute the average precision of all validation images."""
        self.validation, _ = joint_average_precision(self.seen, self.classes)
        self.seen = []

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the recipe's optimiser and schedule."""
        recipe = self.recipe
        # A gradient scaler has to divide the gradients before they are clipped: not possible in one fused kernel.
        fused = recipe.trainer.precision != "16-mixed"
        backbone = backbone_body(self.detector).parameters()
        optimizer = build_optimizer(recipe.optimizer, self.parameters(), backbone=backbone, fused=fused)
        schedule = build_schedule(
            recipe.optimizer, optimizer, total_steps=self.total_steps, steps_per_epoch=self.steps_per_epoch
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient; take the step out of the optimiser's hands where it is not finite."""
        norm = clip_grad_norm_(self.parameters(), self.recipe.optimizer.gradient_clip)
        scaled = self.recipe.trainer.precision == "16-mixed"
        if not self.guard.allows(None if scaled else norm, epoch=self.current_epoch, step=self.global_step):
            optimizer.zero_grad(set_to_none=True)  # parameters without a gradient stay as they are

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in plain types what the checkpoint is of, and keep the means of an epoch that it is made within."""
        checkpoint[CHECKPOINT_KEY] = {
            "version": torchghm.__version__,
            "recipe": self.recipe.plain(),
            "classes": list(self.classes),
        }
        checkpoint[MEANS_KEY] = self.means.state_dict(self._summed_over_ranks)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the means of an epoch; in a run that is extended, on the schedule of its new length."""
        for schedule in checkpoint.get("lr_schedulers", ()):
            if schedule.get("total_steps", self.total_steps) != self.total_steps:  # one_cycle's own
                del schedule["total_steps"], schedule["_schedule_phases"]
        self.means.load_state_dict(checkpoint.get(MEANS_KEY, {}), first=self.trainer.is_global_zero)


def is_loss_state(name: str) -> bool:
    """Return whether an entry of a detector's state dict belongs to one of its losses."""
    return not {"cls_loss", "box_loss"}.isdisjoint(name.split("."))
