"""Ultralytics' heads on a few convolutions, a batch for them, and a folder of noise to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

ultralytics = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install '.[hosts]'")

from ultralytics.cfg import get_cfg  # noqa: E402
from ultralytics.nn.tasks import DetectionModel, RTDETRDetectionModel  # noqa: E402

CLASSES = 2
_BACKBONE = [[-1, 1, "Conv", [width, 3, 2]] for width in (8, 8, 16, 16, 16)]
_LEVELS = [2, 3, 4]
HEADS: dict[str, dict[str, Any]] = {
    "distributions": {"head": [[_LEVELS, 1, "Detect", ["nc"]]]},  # as YOLO11
    "two_branches": {"head": [[_LEVELS, 1, "Detect", ["nc"]]], "end2end": True, "reg_max": 1},  # as YOLO26
    "rtdetr": {"head": [[_LEVELS, 1, "RTDETRDecoder", ["nc", 32, 20, 4, 4, 3, 32]]]},
}


def layout(head: str) -> dict[str, Any]:
    return {"nc": CLASSES, "ch": 3, "backbone": _BACKBONE, **HEADS[head]}


def build(head: str, **hyper: Any) -> Any:
    """A model in training mode with the host's hyper-parameters, always the same; batch norm is frozen."""
    torch.manual_seed(0)
    kind = RTDETRDetectionModel if head == "rtdetr" else DetectionModel
    model = kind(layout(head), ch=3, nc=CLASSES, verbose=False).train()
    model.args = get_cfg(overrides=hyper)
    model.nc = CLASSES  # as the host's trainer does
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    return model


def batch(images: int = 2, only: slice = slice(None)) -> dict[str, Any]:
    """Images and two objects in each, or some of these images."""
    torch.manual_seed(1)
    pictures = torch.rand(images, 3, 64, 64)[only]
    return {
        "img": pictures,
        "batch_idx": torch.arange(len(pictures)).repeat_interleave(2).float(),
        "cls": torch.tensor([[0.0], [1.0]]).repeat(len(pictures), 1),
        "bboxes": torch.tensor([[0.5, 0.5, 0.5, 0.4], [0.3, 0.3, 0.3, 0.4]]).repeat(len(pictures), 1),
    }


def folder(where: Path, head: str, images: int = 4) -> dict[str, Any]:
    """Options of ``train`` for a tiny data set and model written into a folder."""
    import yaml

    generator = torch.Generator().manual_seed(0)
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (where / part / split).mkdir(parents=True)
        for index in range(images):
            pixels = torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8, generator=generator)
            Image.fromarray(pixels.numpy()).save(where / "images" / split / f"{index}.png")
            (where / "labels" / split / f"{index}.txt").write_text("0 0.5 0.5 0.5 0.4\n1 0.3 0.3 0.3 0.4\n")
    (where / "data.yaml").write_text(f"path: {where}\ntrain: images/train\nval: images/val\nnames: {{0: a, 1: b}}\n")
    (where / "model.yaml").write_text(yaml.safe_dump(layout(head)))
    return {
        "data": str(where / "data.yaml"),
        "imgsz": 64,
        "batch": 2,
        "device": "cpu",
        "workers": 0,
        "plots": False,
        "verbose": False,
        "amp": False,
        "optimizer": "SGD",
        "project": str(where / "runs"),
        "name": "run",
    }
