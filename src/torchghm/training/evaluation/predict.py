"""Detections on a user's images: drawn, and as COCO results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torchghm.atomic_files import write_json
from torchghm.data import load_data, read_image
from torchghm.data.image_ids import ids_by_name, ids_of_data
from torchghm.data.images import SUFFIXES
from torchghm.data.new_folder import new_folder
from torchghm.training.evaluation.drawing import draw_boxes, jpeg
from torchghm.training.evaluation.evaluate import checkpoint_of, usable_device
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.datamodule import to_floats

RESULTS_FILE = "predictions.json"


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
) -> Path:
    """Detect objects in images.

    Arguments:
        checkpoint: a file, or the folder of a run.
        images: files, or folders of them.
        out: folder to make: every image with its boxes as a JPEG, and predictions.json, a list in COCO's format of
            results. Categories are numbered from 1 in the order of the classes; names are written beside the numbers.
        data: data set that the images are of: `image_id` is the id that it has for them. Without it that is the name of
            the file without its suffix, as a number if it is digits alone; the path, where two images have one name.
        threshold: lowest score shown, in [0, 1].
        overwrite: replace the predictions that ``out`` holds.
        device: by default a GPU if there is one.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: no such checkpoint or image.
        FileExistsError: ``out`` is there and may not be replaced.
        ValueError: an image that can't be read, no images at all, or one that is not of ``data``. Nothing is written
            then.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"Expected argument `threshold` to be in [0, 1], but got {threshold}")
    out, files, device = Path(out), _image_files(images), usable_device(device)
    whole = None if data is None else load_data(data, val_fraction=0, test_fraction=0)
    ids = ids_by_name(files) if whole is None else ids_of_data(whole, files)
    # An unreadable last image leaves nothing half-done.
    with new_folder(out, RESULTS_FILE, "predictions", overwrite=overwrite) as made:
        saved = load_checkpoint(checkpoint_of(checkpoint))
        module = saved.module().to(device)
        results = []
        names = _unlike_names(files)
        for image_id, file in zip(ids, files, strict=True):
            pixels = read_image(file)
            image = torch.from_numpy(pixels).permute(2, 0, 1).to(module.device)
            found = {name: value.cpu() for name, value in module.detector(to_floats([image]))[0].items()}
            found = {name: value[found["scores"] >= threshold] for name, value in found.items()}
            labels = found["labels"].tolist()
            texts = [
                f"{saved.classes[label]} {score:.2f}"
                for label, score in zip(labels, found["scores"].tolist(), strict=True)
            ]
            picture = made / next(names)
            picture.write_bytes(jpeg(draw_boxes(pixels, found["boxes"].tolist(), labels, texts)))
            results += list(_coco_results(image_id, file, found, saved.classes))
        write_json(made / RESULTS_FILE, results)
    return out


def _image_files(images: Sequence[str | Path]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, images):
        if path.is_dir():
            files += sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
        elif path.exists():
            files.append(path)
        else:
            raise FileNotFoundError(f"there is no image or folder {str(path)!r}")
    if not files:
        places = ", ".join(map(str, images)) or "an empty list"
        raise ValueError(f"Expected argument `images` to name at least one image, but got none in {places}")
    return files


def _unlike_names(files: Sequence[Path]) -> Iterator[str]:
    """Return a JPEG's name for each file; those of the same name in two folders get a number."""
    taken: set[str] = set()
    for file in files:
        name, number = f"{file.stem}.jpg", 1
        while name in taken:
            number += 1
            name = f"{file.stem}-{number}.jpg"
        taken.add(name)
        yield name


def _coco_results(
    image_id: int | str, file: Path, found: dict[str, Tensor], classes: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    columns = (found[name].tolist() for name in ("boxes", "labels", "scores"))
    for (left, top, right, bottom), label, score in zip(*columns, strict=True):
        yield {
            "image_id": image_id,
            "category_id": label + 1,
            "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
            "score": round(score, 5),
            "file_name": str(file),
            "category_name": classes[label],
        }
