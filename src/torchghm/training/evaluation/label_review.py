"""A finished run's evidence about the labels that it was trained on."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from torchghm.data import Records
from torchghm.data.new_folder import new_folder
from torchghm.review.agreement import Detections
from torchghm.review.digests import check_same_annotations
from torchghm.review.evidence import Memory, gather_evidence
from torchghm.review.exports import EXPORTS
from torchghm.review.findings import CSV_FILE, JSON_FILE, Finding, write_coco_findings, write_csv
from torchghm.review.memory import LabelMemory
from torchghm.review.page import PAGE_FILE, write_page
from torchghm.review.verdict import find_wrong_labels
from torchghm.training.evaluation.evaluate import usable_device
from torchghm.training.label_memory import LABELS_KEY
from torchghm.training.loop.checkpoints import SavedDetector, load_checkpoint
from torchghm.training.loop.datamodule import evaluation_loader, to_floats
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.recipe_data import load_recipe_data, with_boxes
from torchghm.training.run_folder import checkpoint_of

WITHOUT_MEMORY = (
    "the run has no memory of labels: this review is from its final model alone, which may have learned wrong labels "
    "by heart; train with trainer.label_memory=true for a better one"
)
LOWEST_SCORE = 0.01
"""Lowest score of a detection that is looked at; a model that was told that there is nothing still says so softly."""

_log = logging.getLogger("torchghm")


def review(
    run: str | Path, out: str | Path, data: str | Path | None = None, *, device: str | torch.device | None = None
) -> list[Finding]:
    """Write which training labels of a run are probably wrong: a table, COCO's form, other tools' forms, and a page.

    Arguments:
        run: folder of the run, or a checkpoint.
        out: folder to make; there must be none, or an empty one.
        data: folder of the data set; by default the one that the run was trained on.
        device: by default a GPU if there is one.

    Returns:
        The findings, worst first.

    Raises:
        FileNotFoundError: no such run or data.
        FileExistsError: ``out`` is there and not empty.
        ValueError: annotations or classes that differ from the run's, or no data named.
    """
    out = Path(out)
    with new_folder(out, None, "a review") as made:
        records, classes, detections, memory = labels_and_detections(run, data, device=device)
        findings = find_wrong_labels(records, gather_evidence(records, detections, memory), memory)
        write_csv(made / CSV_FILE, findings, records, classes)
        write_coco_findings(made / JSON_FILE, findings, records, classes)
        for name, write in EXPORTS.items():
            write(made / name, findings, records, classes)
        note = "" if memory is not None else f"{WITHOUT_MEMORY}."
        write_page(made / PAGE_FILE, findings, records, classes, title=f"{records.root}", note=note, place=out)
    return findings


def labels_and_detections(
    run: str | Path, data: str | Path | None = None, *, device: str | torch.device | None = None
) -> tuple[Records, tuple[str, ...], list[Detections], Memory | None]:
    """Return the training labels of a run, what its model detects in their images, and what the training remembers.

    Arguments:
        run: folder of the run, or a checkpoint.
        data: folder of the data set; by default the one that the run was trained on, if it remembers labels.
        device: by default a GPU if there is one.

    Returns:
        The training images, the classes, detections in each image, and the memory, None if the run has none.

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
        _log.warning("%s: %s", run, WITHOUT_MEMORY)
    else:
        check_same_annotations(records, found.classes, kept["digests"])
        memory = LabelMemory.from_state(kept["memory"])
    detections = detect(saved, records, usable_device(device))
    return records, found.classes, detections, _arrays(memory)


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
