"""Export a trained detector, and see that the file finds the same."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from torchghm.atomic_files import replaced
from torchghm.data import DetectionData
from torchghm.functional.arguments import check_choice
from torchghm.training.deployment.formats import FORMATS, SUFFIXES, FormatName, check_installed, read, write
from torchghm.training.deployment.one_image import OneImageDetector
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.datamodule import evaluation_loader, to_floats
from torchghm.training.loop.recipe_data import load_recipe_data
from torchghm.training.run_folder import checkpoint_of

PIXELS = 0.5
"""By which the corners of a box may differ."""
SCORE = 1e-3
"""By which scores may differ."""
MISSED = 1e-3
"""Share of detections that may lack a partner: of boxes that overlap by just the threshold another one is kept."""
MADE = ((3, 240, 320), (3, 333, 217), (3, 150, 150))
"""Shapes of the images to check with where there are no data."""


class Exported(NamedTuple):
    """Result of an export.

    Attributes:
        file: that was written.
        images: that it was checked with.
        detections: of the checkpoint in them.
        pixels: largest difference of a corner.
        score: largest difference of a score.
    """

    file: Path
    images: int
    detections: int
    pixels: float
    score: float


@torch.no_grad()
def export(
    checkpoint: str | Path,
    format: FormatName = "onnx",
    *,
    data: str | Path | DetectionData | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a trained detector as one file that runs without torchghm, and check that it finds the same.

    The file takes one image [3, height, width] in [0, 1] of any size, and gives ``boxes``, ``scores`` and ``labels``
    as `torchghm.load_detector` does. It holds the names of the classes.

    Arguments:
        checkpoint: a file, or the folder of a run.
        format: ``"onnx"``, ``"torchscript"`` or ``"torch.export"``.
        data: the data set whose validation images are compared; without it three made images of different sizes are.
        out: the file; by default detector.onnx, detector.ts or detector.pt2 beside the checkpoint.
        overwrite: replace the file.

    Returns:
        The file, and how far its detections are from the checkpoint's.

    Raises:
        FileNotFoundError: no such checkpoint or data.
        FileExistsError: the file is there and may not be replaced.
        ModuleNotFoundError: a package of the format is not installed.
        ValueError: no such format, a detector that it can't hold, or detections that differ. No file is written then.
    """
    check_choice("format", format, FORMATS)
    check_installed(format)
    path = checkpoint_of(checkpoint)
    file = Path(out) if out is not None else path.with_name("detector" + SUFFIXES[format])
    if file.is_dir():
        raise FileExistsError(f"Expected the output {str(file)!r} to be a file, but got a folder")
    if file.exists() and not overwrite:
        raise FileExistsError(f"the file {str(file)!r} exists: name another with --out, or replace it with --overwrite")
    saved = load_checkpoint(path)
    if data is None:
        generator = torch.Generator().manual_seed(0)
        images = [torch.rand(shape, generator=generator) for shape in MADE]
    else:
        if not isinstance(data, DetectionData):
            data = load_recipe_data(data, saved.recipe.data)
        saved.check_classes(data.classes)
        loader = evaluation_loader(data.select("val"), saved.classes, saved.recipe)
        images = [image for batch, _ in loader for image in to_floats(batch)]
    module = saved.module()
    model = OneImageDetector(module.detector)
    with replaced(file) as temporary:
        write(format, model, images[0], saved.classes, temporary)
        detect = read(format, temporary).detect
        found = [detect(image) for image in images]
        expected: list[dict[str, Tensor]] = [module.detector([image])[0] for image in images]
        return compared(file, expected, found)


def compared(file: Path, expected: list[dict[str, Tensor]], found: list[dict[str, Tensor]]) -> Exported:
    """Pair the detections of both, class by class, and return the largest differences.

    Raises:
        ValueError: more than one in a thousand, of either side, have no partner.
    """
    missed = total = 0
    pixels = score = 0.0
    for ours, theirs in zip(expected, found, strict=True):
        for one, other in ((ours, theirs), (theirs, ours)):
            total += len(one["scores"])
            if not len(one["scores"]) or not len(other["scores"]):
                missed += len(one["scores"])
                continue
            corners = (one["boxes"][:, None] - other["boxes"]).abs().amax(dim=2)
            scores = (one["scores"][:, None] - other["scores"]).abs()
            far = (one["labels"][:, None] != other["labels"]) | (scores > SCORE)
            nearest, partner = corners.masked_fill(far, torch.inf).min(dim=1)
            close = nearest <= PIXELS
            missed += int((~close).sum())
            if close.any():
                pixels = max(pixels, float(nearest[close].max()))
                score = max(score, float(scores.gather(1, partner[:, None])[close].max()))
    if missed > MISSED * total:
        raise ValueError(
            f"the exported detector does not find the same: {missed} of {total} detections in {len(expected)} images "
            "have no partner; nothing was written"
        )
    return Exported(file, len(expected), sum(len(image["scores"]) for image in expected), pixels, score)
