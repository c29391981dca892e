"""Detections on a user's images: drawn, and as COCO results."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchghm.atomic_files import write_json
from torchghm.data import DetectionData, ImageError
from torchghm.data.category_ids import category_ids
from torchghm.data.image_ids import ids_by_name, ids_of_data
from torchghm.data.new_folder import new_folder
from torchghm.training.deployment.formats import SUFFIXES, ExportedDetector, read
from torchghm.training.evaluation.drawing import draw_boxes, jpeg
from torchghm.training.evaluation.evaluate import usable_device
from torchghm.training.evaluation.image_sources import image_files, is_video, pictures
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.datamodule import to_floats
from torchghm.training.loop.recipe_data import load_recipe_data
from torchghm.training.recipes.sections import DataRecipe
from torchghm.training.run_folder import checkpoint_of

RESULTS_FILE = "predictions.json"
TABLE_FILE = "predictions.csv"
LABELS_FOLDER = "labels"
COLUMNS = ("file_name", "image_id", "class", "score", "x1", "y1", "x2", "y2")


class Predictions(NamedTuple):
    """Detections in images.

    Attributes:
        folder: that holds the drawn images, predictions.json, predictions.csv and labels/.
        images: looked at; of a video each frame is one.
        objects: found with a score of at least the threshold.
        best: the highest score of all detections, None where there is none.
        unreadable: errors of the images that were left out.
    """

    folder: Path
    images: int
    objects: int
    best: float | None
    unreadable: tuple[ImageError, ...]


@torch.no_grad()
def predict(
    checkpoint: str | Path,
    images: Sequence[str | Path],
    out: str | Path,
    *,
    data: str | Path | None = None,
    threshold: float = 0.3,
    overwrite: bool = False,
    device: str | torch.device | None = None,
) -> Predictions:
    """Detect objects in images.

    Arguments:
        checkpoint: a file, the folder of a run, or an ONNX file that `torchghm export` made.
        images: files, folders of them, patterns with ``*``, or videos, of which every frame is an image.
        out: folder to make: every image with its boxes as a JPEG; predictions.json, a list in COCO's format of results;
            predictions.csv, a line an object; and labels/, a text file an image in YOLO's form, scores last.
        data: data set that the images are of, read as for the training: `image_id` and `category_id` are the ids that
            it has for them. Without it, `image_id` is the name of the file without its suffix, as a number if it is
            digits alone; the path, where two images have one name. Categories are then numbered from 1 in COCO's, and
            always from 0 in YOLO's, in the order of the classes.
        threshold: lowest score shown, in [0, 1].
        overwrite: replace the predictions that ``out`` holds.
        device: by default a GPU if there is one.

    Returns:
        What was found. Images that cannot be read are left out, and named there.

    Raises:
        FileNotFoundError: no such checkpoint or image.
        FileExistsError: ``out`` is there and may not be replaced.
        ImageError: none of the images can be read.
        ValueError: no images at all, or one that is not of ``data``. Nothing is written then.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"Expected argument `threshold` to be in [0, 1], but got {threshold}")
    out, files, device = Path(out), image_files(images), usable_device(device)
    whole = None if data is None else _whole(data, checkpoint)
    ids = ids_by_name(files) if whole is None else ids_of_data(whole, files)
    unreadable: list[ImageError] = []
    with new_folder(out, RESULTS_FILE, "predictions", overwrite=overwrite) as made:
        classes, detect = _detector(checkpoint, device)
        categories = list(zip(category_ids(classes, whole), classes, strict=True))
        (made / LABELS_FOLDER).mkdir()
        results: list[dict[str, Any]] = []
        looked_at, best = 0, None
        names = _unlike_names()
        for image_id, file in zip(ids, files, strict=True):
            for number, pixels in _readable(file, unreadable):
                found = detect(torch.from_numpy(pixels).permute(2, 0, 1))
                looked_at += 1
                if len(found["scores"]):
                    best = max(best or 0.0, float(found["scores"].max()))
                found = {name: value[found["scores"] >= threshold] for name, value in found.items()}
                name = names(f"{file.stem}-{number:06}" if is_video(file) else file.stem)
                labels = found["labels"].tolist()
                texts = [
                    f"{classes[label]} {score:.2f}"
                    for label, score in zip(labels, found["scores"].tolist(), strict=True)
                ]
                drawn = draw_boxes(pixels, found["boxes"].tolist(), labels, texts)
                (made / f"{name}.jpg").write_bytes(jpeg(drawn))
                (made / LABELS_FOLDER / f"{name}.txt").write_text(_yolo_lines(found, pixels.shape[1::-1]))
                known_as = f"{image_id}-{number:06}" if is_video(file) else image_id
                results += _coco_results(known_as, file, found, categories)
        if not looked_at and unreadable:
            raise unreadable[0]
        # A file name need not be text: what UTF-8 can't say is escaped, as in the JSON file.
        (made / TABLE_FILE).write_text(_table(results), encoding="utf-8", errors="backslashreplace")
        write_json(made / RESULTS_FILE, results)
    return Predictions(out, looked_at, len(results), best, tuple(unreadable))


def _whole(data: str | Path, checkpoint: str | Path) -> DetectionData:
    """Return a data set with all its images, read as for the training where the checkpoint says how."""
    recipe = DataRecipe() if _is_exported(checkpoint) else load_checkpoint(checkpoint_of(checkpoint)).recipe.data
    return load_recipe_data(data, recipe.model_copy(update={"val_fraction": 0, "test_fraction": 0, "strict": False}))


def _is_exported(checkpoint: str | Path) -> bool:
    return Path(checkpoint).suffix == SUFFIXES["onnx"]


def _detector(checkpoint: str | Path, device: torch.device) -> ExportedDetector:
    """Return what finds objects in an image [3, height, width] of bytes, from a checkpoint or an ONNX file."""
    if _is_exported(checkpoint):
        exported = read("onnx", Path(checkpoint))
        return ExportedDetector(exported.classes, lambda image: exported.detect(to_floats([image])[0]))
    saved = load_checkpoint(checkpoint_of(checkpoint))
    detector = saved.module().to(device).detector

    def detect(image: Tensor) -> dict[str, Tensor]:
        return {name: value.cpu() for name, value in detector(to_floats([image.to(device)]))[0].items()}

    return ExportedDetector(saved.classes, detect)


def _readable(file: Path, unreadable: list[ImageError]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield number and pixels of an image, or of a video's frames as far as they go; an error joins the others."""
    try:
        yield from enumerate(pictures(file))
    except ImageError as error:
        unreadable.append(error)


def _unlike_names() -> Callable[[str], str]:
    """Return a function that gives each picture a name; those of the same name in two folders get a number."""
    taken: set[str] = set()

    def unlike(stem: str) -> str:
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        return name

    return unlike


def _yolo_lines(found: dict[str, Tensor], sides: tuple[int, ...]) -> str:
    """Return a line an object: class, centre and sides as fractions, score."""
    width, height = sides
    lines = []
    columns = (found[name].tolist() for name in ("boxes", "labels", "scores"))
    for (x1, y1, x2, y2), label, score in zip(*columns, strict=True):
        box = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        lines.append(" ".join([str(label), *(f"{value:.6f}" for value in box), f"{score:.5f}"]) + "\n")
    return "".join(lines)


def _table(results: list[dict[str, Any]]) -> str:
    """Return CSV of the results."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        left, top, width, height = result["bbox"]
        corners = [round(value, 2) for value in (left, top, left + width, top + height)]
        writer.writerow([result["file_name"], result["image_id"], result["category_name"], result["score"], *corners])
    return text.getvalue()


def _coco_results(
    image_id: int | str, file: Path, found: dict[str, Tensor], categories: Sequence[tuple[int | str, str]]
) -> Iterator[dict[str, Any]]:
    """Yield a result in COCO's form for each object; ``categories`` are the classes' ids and names."""
    columns = (found[name].tolist() for name in ("boxes", "labels", "scores"))
    for (left, top, right, bottom), label, score in zip(*columns, strict=True):
        category_id, name = categories[label]
        yield {
            "image_id": image_id,
            "category_id": category_id,
            "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
            "score": round(score, 5),
            "file_name": str(file),
            "category_name": name,
        }
