"""Evaluation of a checkpoint on a split of a data set."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import torch

from torchghm.atomic_files import write_json
from torchghm.data import DetectionData, Records
from torchghm.results.evaluation import Evaluation
from torchghm.training.evaluation.diagnosis.diagnose import diagnose
from torchghm.training.evaluation.samples import write_samples
from torchghm.training.loop.average_precision import DetectionMetrics, SeenImage, joint_average_precision, seen_images
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.datamodule import evaluation_loader, to_floats
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.processes import broadcast_object, gather_shards, is_first, join, shard_for_rank
from torchghm.training.loop.recipe_data import load_recipe_data, with_boxes
from torchghm.training.run_folder import RunFolder, checkpoint_of

VALIDATION = "val"
"""Split that thresholds are chosen on: chosen on the images that they are judged by, they would look too good."""
WORST_IMAGES = 6
"""Images with most errors that are drawn."""


def evaluate(
    checkpoint: str | Path,
    data: str | Path | DetectionData,
    split: str | None = None,
    *,
    device: str | torch.device | None = None,
    write: bool = True,
) -> Evaluation:
    """Measure average precision, the threshold to deploy and the kinds of errors of a trained detector.

    Thresholds are those of the largest F1 on the split "val", whichever split is evaluated; where the data have none,
    on the one that is. Detections are matched to objects from the highest score down, at an overlap of one half.

    Processes that torchrun or SLURM started share the images; all of them have to call this, and all get the result.

    Arguments:
        checkpoint: a file, or the folder of a run, of which the recipe says whether the last or the best is taken.
        data: the data set, or its folder. One without splits of its own is divided as for the training.
        split: one, or several joined by commas ("val,test"); by default the recipe's `data.evaluate`.
        device: by default a GPU if there is one; several processes take one each of that kind.
        write: where ``checkpoint`` is the folder of a run, leave evaluation.json and the images with most errors in it.

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
    module = saved.module().to(device)
    result, images = evaluate_records(module, records)
    chosen_on = VALIDATION if _has_boxes(data, VALIDATION) else split
    validation = None if chosen_on == split else gather_shards(_detect(module, data.select(chosen_on)))
    evaluation = None
    if is_first():
        diagnosis, worst = diagnose(images, data.classes, chosen_on=chosen_on, validation=validation)
        evaluation = Evaluation(
            str(path), split, len(records), data.classes, result.metrics, result.per_class, diagnosis
        )
        if write and Path(checkpoint).is_dir():
            _write(RunFolder(checkpoint), evaluation, records, images, worst[:WORST_IMAGES].tolist())
    evaluation = broadcast_object(evaluation)
    assert evaluation is not None
    return evaluation


def _write(
    folder: RunFolder, evaluation: Evaluation, records: Records, images: list[SeenImage], worst: list[int]
) -> None:
    shutil.rmtree(folder.worst_images.with_suffix(""), ignore_errors=True)
    threshold = evaluation.diagnosis.threshold
    write_samples(folder.worst_images, records, images, evaluation.classes, chosen=worst, lowest_score=threshold)
    write_json(folder.evaluation, asdict(evaluation))


def _has_boxes(data: DetectionData, split: str) -> bool:
    return split in data.splits and bool((~data.splits[split].crowd).any())


def evaluate_records(module: DetectorModule, records: Records) -> tuple[DetectionMetrics, list[SeenImage]]:
    """Return the average precision on these images, and on the first process what was found in each, in order.

    Arguments:
        module: on the device to compute on.
        records: the images; several processes share them out.
    """
    return joint_average_precision(_detect(module, records), module.classes)


@torch.no_grad()
def _detect(module: DetectorModule, records: Records) -> list[SeenImage]:
    """Return what was found in this process's share of the images."""
    module.eval()
    own: list[SeenImage] = []
    for images, targets in evaluation_loader(shard_for_rank(records), module.classes, module.recipe):
        batch = to_floats([image.to(module.device, non_blocking=True) for image in images])
        own += seen_images(module.detector(batch), targets)
    return own


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
