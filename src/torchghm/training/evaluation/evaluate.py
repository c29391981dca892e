"""Average precision of a checkpoint on a split of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from torchghm.data import DetectionData, Records
from torchghm.training.loop.average_precision import DetectionMetrics, SeenImage, joint_average_precision, seen_images
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.datamodule import evaluation_loader, to_floats
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.processes import join, shard_for_rank
from torchghm.training.loop.recipe_data import load_recipe_data, with_boxes
from torchghm.training.run_folder import checkpoint_of


def evaluate(
    checkpoint: str | Path,
    data: str | Path | DetectionData,
    split: str | None = None,
    *,
    device: str | torch.device | None = None,
) -> dict[str, Any]:
    """Return the average precision of a trained detector.

    Processes that torchrun or SLURM started share the images; all of them have to call this, and all get the result.

    Arguments:
        checkpoint: a file, or the folder of a run, of which the recipe says whether the last or the best is taken.
        data: the data set, or its folder. One without splits of its own is divided as for the training.
        split: one, or several joined by commas ("val,test"); by default the recipe's `data.evaluate`.
        device: by default a GPU if there is one; several processes take one each of that kind.

    Returns:
        ``checkpoint``, ``split``, ``images``, ``classes``, ``metrics`` (ap, ap50, ap75, ap_small, ap_medium, ap_large)
        and ``per_class``, in 0..1, None where there is nothing to find.

    Raises:
        FileNotFoundError: no such checkpoint or data.
        ValueError: unusable data, a split that the data do not have, a checkpoint of other classes, no such device.
    """
    path, device = checkpoint_of(checkpoint), usable_device(device)
    device = join(device.type) or device
    saved = load_checkpoint(path)
    if not isinstance(data, DetectionData):
        data = load_recipe_data(data, saved.recipe.data)
    saved.check_classes(data.classes)
    split = saved.recipe.data.evaluate if split is None else split
    records = with_boxes(data, split)
    result, _ = evaluate_records(saved.module().to(device), records)
    return {
        "checkpoint": str(path),
        "split": split,
        "images": len(records),
        "classes": list(data.classes),
        "metrics": result.metrics,
        "per_class": result.per_class,
    }


@torch.no_grad()
def evaluate_records(module: DetectorModule, records: Records) -> tuple[DetectionMetrics, list[SeenImage]]:
    """Return the average precision on these images, and on the first process what was found in each, in order.

    Arguments:
        module: on the device to compute on.
        records: the images; several processes share them out.
    """
    module.eval()
    own: list[SeenImage] = []
    for images, targets in evaluation_loader(shard_for_rank(records), module.classes, module.recipe):
        batch = to_floats([image.to(module.device, non_blocking=True) for image in images])
        own += seen_images(module.detector(batch), targets)
    return joint_average_precision(own, module.classes)


def usable_device(device: str | torch.device | None) -> torch.device:
    """Return the device that is named, or a GPU if there is one, or the CPU.

    Raises:
        ValueError: this machine has no such device.
    """
    if device is None:
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        return torch.zeros(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # an unknown name, no such GPU, a build of torch without any
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"Expected argument `device` to be one of this machine, but got {str(device)!r}: {reason}"
        ) from error
