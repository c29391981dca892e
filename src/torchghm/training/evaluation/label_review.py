"""What a finished run says of the labels that it was trained on."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from torchghm.data import Records
from torchghm.review.agreement import Detections
from torchghm.review.digests import check_same_annotations
from torchghm.review.evidence import Evidence, Memory, gather_evidence
from torchghm.review.memory import LabelMemory
from torchghm.training.evaluation.evaluate import checkpoint_of, usable_device
from torchghm.training.label_memory import LABELS_KEY
from torchghm.training.loop.checkpoints import SavedDetector, load_checkpoint
from torchghm.training.loop.datamodule import evaluation_loader, to_floats
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.recipe_data import load_recipe_data, with_boxes

LOWEST_SCORE = 0.01
"""Of a detection that is looked at; a model that was told that there is nothing still says so softly."""

_log = logging.getLogger("torchghm")


def run_evidence(
    run: str | Path, data: str | Path | None = None, *, device: str | torch.device | None = None
) -> tuple[Evidence, Records, tuple[str, ...], LabelMemory | None]:
    """Compare the training labels of a run with what its model sees.

    Arguments:
        run: folder of the run, or a checkpoint.
        data: folder of the data set; by default the one that the run was trained on, if it remembers labels.
        device: by default a GPU if there is one.

    Returns:
        The evidence, the training images, the classes, and the memory of the labels, None if the run has none.

    Raises:
        FileNotFoundError: no such run or data.
        ValueError: annotations or classes that differ from the run's, or no data named.
    """
    saved = load_checkpoint(checkpoint_of(run))
    kept = saved.content.get(LABELS_KEY)
    root = data if data is not None else (kept or {}).get("root")
    if root is None:
        raise ValueError(f"the run {str(run)!r} does not say which data it was trained on: name them with --data")
    found = load_recipe_data(root, saved.recipe.data)
    saved.check_classes(found.classes)
    records = with_boxes(found, "train")
    memory = None
    if kept is None:
        _log.warning(
            "the run %s has no memory of labels: this review is from its final model alone, which may have learned "
            "wrong labels by heart; train with trainer.label_memory=true for a better one",
            run,
        )
    else:
        check_same_annotations(records, found.classes, kept["digests"])
        memory = LabelMemory.from_state(kept["memory"])
    detections = detect(saved, records, usable_device(device))
    return gather_evidence(records, detections, _arrays(memory)), records, found.classes, memory


@torch.no_grad()
def detect(saved: SavedDetector, records: Records, device: torch.device) -> list[Detections]:
    """Return what a trained model finds in each image, faint detections too."""
    module = saved.module().to(device)
    _with_faint_detections(module)
    results = []
    for images, _ in evaluation_loader(records, module.classes, module.recipe):
        for found in module.detector(to_floats([image.to(device) for image in images])):
            boxes, labels, scores = (found[name].cpu().numpy() for name in ("boxes", "labels", "scores"))
            results.append(Detections(boxes.astype("float64"), labels, scores.astype("float64")))
    return results


def _with_faint_detections(module: DetectorModule) -> None:
    head = getattr(module.detector, "roi_heads", module.detector)
    head.score_thresh = LOWEST_SCORE


def _arrays(memory: LabelMemory | None) -> Memory | None:
    if memory is None:
        return None
    places = memory.places.columns() if memory.places is not None else None
    return Memory(
        {name: column.numpy() for name, column in memory.columns().items()},
        None if places is None else {name: column.numpy() for name, column in places.items()},
    )
