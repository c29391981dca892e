"""YOLO11n of Ultralytics from scratch on eight made images; Ultralytics is under AGPL-3.0."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")  # this example needs no network

import torch
from PIL import Image
from ultralytics import YOLO

import torchghm
from torchghm.integrations.ultralytics import trainer

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        for index in range(8):
            pixels = torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / "images" / split / f"{index}.png")
            (folder / "labels" / split / f"{index}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    data = folder / "data.yaml"
    data.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: [object]\n")
    model = YOLO("yolo11n.yaml")
    model.train(
        trainer=trainer(torchghm.GHMCLoss()),
        data=data,
        epochs=1,
        imgsz=64,
        batch=4,
        device="cpu",
        workers=0,
        amp=False,
        plots=False,
        project=name,
    )
    loss = model.trainer.harmonized.cls_losses.branch("one2many")
    print(f"cross entropy {loss.diagnostics.plain_loss:.3f}, {loss.diagnostics.occupied_regions} regions occupied")
