"""Counts of a trained model's gradient norms and box residuals, for the page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchghm.atomic_files import replaced
from torchghm.data import DetectionDataset, Records, collate, evaluation_transforms
from torchghm.detection import DetectionExamples, detection_examples
from torchghm.losses import FocalLoss
from torchghm.training.loop.datamodule import on_device
from torchghm.training.loop.module import DetectorModule

CELLS = 1000
IMAGES = 128
"""Images that are counted at most: some ten million examples, enough for a smooth curve."""
BATCH = 2

RESIDUAL_EDGES = np.concatenate([[0.0], np.geomspace(1e-4, 10.0, CELLS)])
"""[CELLS + 1]: equal steps of the logarithm, because what matters lies between hundredths and ones."""


@torch.no_grad()
def write_gradient_norms(path: Path, module: DetectorModule, records: Records) -> None:
    """Count the gradient norms of a trained detector, and write them as docs/run-folder.md says.

    Arguments:
        path: the file.
        module: on the device to compute on.
        records: images; of many, evenly spread ones are taken.
    """
    module.eval()
    positive, negative, residual = (torch.zeros(CELLS, dtype=torch.float64) for _ in range(3))
    edges = torch.from_numpy(RESIDUAL_EDGES).to(module.device, torch.float32)
    chosen = records.take(np.unique(np.linspace(0, len(records) - 1, min(IMAGES, len(records))).astype(np.int64)))
    dataset = DetectionDataset(chosen, module.classes, evaluation_transforms(), training=True)
    for start in range(0, len(dataset), BATCH):
        images, targets = collate([dataset[index] for index in range(start, min(start + BATCH, len(dataset)))])
        examples = detection_examples(module.detector, *on_device(images, targets, module.device))
        of_positives, of_negatives = classification_counts(examples)
        positive += of_positives.cpu()
        negative += of_negatives.cpu()
        distance = (examples.predicted - examples.encoded).abs().flatten()
        cell = (torch.bucketize(distance[~distance.isnan()], edges, right=True) - 1).clamp(0, CELLS - 1)
        residual += torch.bincount(cell, minlength=CELLS).double().cpu()
    cls_loss, box_loss = module.detector.cls_loss, module.detector.box_loss
    focal = cls_loss if isinstance(cls_loss, FocalLoss) else None  # other losses have a gamma that is another thing
    with replaced(path) as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = dict(  # named, as in the file
            cls_positive=positive.numpy(),
            cls_negative=negative.numpy(),
            box_residual_edges=RESIDUAL_EDGES,
            box_residual_counts=residual.numpy(),
            bins_cls=_setting(cls_loss, "bins"),
            bins_box=_setting(box_loss, "bins"),
            mu=_setting(box_loss, "mu"),
            focal_gamma=_setting(focal, "gamma"),
            focal_alpha=_focal_alpha(focal),
            delta=_setting(box_loss, "delta"),
            **_harmonizing("cls", cls_loss),
            **_harmonizing("box", box_loss),
        )
        np.savez_compressed(file, **arrays)


def classification_counts(examples: DetectionExamples) -> tuple[Tensor, Tensor]:
    """Return how many positive and negative examples have a gradient norm in each of `CELLS` equal cells of [0, 1].

    An example is a logit, or with the softmax an anchor, positive where there is an object.
    """
    valid = examples.targets != -100
    logits = examples.logits[valid].float()  # [N, K]
    label = examples.targets[valid]
    if examples.activation == "softmax":
        is_positive = label > 0
        norm = 1 - logits.softmax(1).gather(1, label[:, None])[:, 0]
    else:
        probability = logits.sigmoid()
        is_positive = label[:, None] == torch.arange(probability.shape[1], device=label.device)
        norm = torch.where(is_positive, 1 - probability, probability)
    cell = (norm * CELLS).long().clamp(max=CELLS - 1) + CELLS * is_positive
    counts = torch.bincount(cell[norm.isfinite()], minlength=2 * CELLS).double()  # a run may have ended in NaN
    return counts[CELLS:], counts[:CELLS]


def _setting(loss: Any, name: str) -> np.float64:
    value = getattr(_one_level(loss), name, None)
    return np.float64(math.nan if value is None else float(value))


def _focal_alpha(loss: Any) -> np.float64:
    """Return a focal loss's alpha; without one positives and negatives weigh the same, which 0.5 says too."""
    own = _setting(loss, "alpha")
    return np.float64(0.5) if np.isnan(own) and np.isfinite(_setting(loss, "gamma")) else own


def _harmonizing(prefix: str, loss: Any) -> dict[str, np.float64]:
    """Return the options that decide a harmonizing weight, none for other losses. The reference mode has no choice."""
    loss = _one_level(loss)
    if not hasattr(loss, "bins"):
        return {}
    max_weight, normalize = getattr(loss, "max_weight", None), getattr(loss, "normalize", "occupied")
    options = {
        f"{prefix}_max_weight": np.float64(math.inf if max_weight is None else max_weight),
        f"{prefix}_by_regions": np.float64(normalize == "regions"),
        f"{prefix}_exact": np.float64(getattr(loss, "density", "regions") == "exact"),
    }
    return options | ({"cls_by_positives": np.float64(normalize == "positives")} if prefix == "cls" else {})


def _one_level(loss: Any) -> Any:
    levels = getattr(loss, "levels", None)  # with a density for each level, all have the same settings
    return levels[0] if isinstance(levels, nn.ModuleList) else loss
