"""Small run and comparison folders as docs/run-folder.md describes them, with numbers that look like a training's."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("RBC", "WBC", "Platelets")
HARMONIZED = {"ghmc": ("cls", 30), "ghmr": ("box", 10)}
METRICS = ("ap", "ap50", "ap75")


def write_run(
    folder: Path,
    *,
    cls: str = "ghmc",
    box: str = "ghmr",
    seed: int = 0,
    ap: float = 0.5,
    epochs: int = 6,
    classes: tuple[str, ...] = CLASSES,
    image_name: str = "cells_1.jpg",
    images: int = 2,
) -> Path:
    """Write a complete run folder; the files are independent, so a test may delete or spoil any of them."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    metrics = dict(
        zip((*METRICS, "ap_small", "ap_medium", "ap_large"), ap * np.array([1, 1.6, 1.1, 0.6, 1.0, 1.2]), strict=True)
    )
    results = {
        "name": f"{cls} + {box}",
        "cls": cls,
        "box": box,
        "seed": seed,
        "split": "val,test",
        "epochs": epochs,
        "steps": 51 * epochs,
        "seconds": 41.5 * epochs,
        "classes": list(classes),
        "metrics": {**{name: round(float(value), 4) for name, value in metrics.items()}, "ap_small": None},
        "boxes_per_class": {name: 40 - 9 * row for row, name in enumerate(classes)},
        "per_class": {name: round(ap * 1.2 / (1 + row / 4), 4) for row, name in enumerate(classes)},
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    (folder / "recipe.yaml").write_text(f"cls_loss: {cls}\nbox_loss: {box}\n# <b>a comment</b>\nepochs: {epochs}\n")
    versions = {"torchghm": "0.1.0", "torch": "2.11.0", "python": "3.11.7", "device": "cpu"}
    (folder / "versions.json").write_text(json.dumps(versions))
    _write_metrics(folder / "metrics.csv", cls, epochs, ap, random)
    _write_weights(folder / "beta_history.csv", [HARMONIZED[name] for name in (cls, box) if name in HARMONIZED], epochs)
    _write_norms(folder / "gradient_norms.npz", cls, box)
    _write_samples(folder, classes, image_name, images, random)
    return folder


def write_comparison(
    folder: Path,
    *,
    methods: tuple[str, ...] = ("ce+smooth_l1", "focal+smooth_l1", "ghmc+ghmr"),
    seeds: tuple[int, ...] = (0, 1),
    gains: tuple[float, ...] = (0.0, 0.06, -0.01),
    classes: tuple[str, ...] = CLASSES,
    epochs: int = 4,
    image_name: str = "cells_1.jpg",
) -> Path:
    """Write a comparison folder; the first method is the baseline, `gains` are the differences of AP to it.

    With the half-width 0.02 of every interval, a gain of 0.06 is "better" and one of -0.01 shows no difference.
    """
    folder.mkdir(parents=True)
    table = []
    for method, gain in zip(methods, gains, strict=True):
        cls, box = method.split("+")
        runs = {str(seed): f"runs/{method}/seed-{seed}" for seed in seeds}
        for seed, place in runs.items():
            write_run(
                folder / place,
                cls=cls,
                box=box,
                seed=int(seed),
                ap=0.5 + gain,
                epochs=epochs,
                classes=classes,
                image_name=image_name,
                images=1,
            )
        alone, is_baseline = len(seeds) == 1, method == methods[0]
        interval = (
            {"low": None, "high": None} if alone else {"low": round(gain - 0.02, 6), "high": round(gain + 0.02, 6)}
        )
        table.append(
            {
                "name": method,
                "cls": cls,
                "box": box,
                "runs": runs,
                "values": {metric: [0.5 + gain] * len(seeds) for metric in METRICS},
                "mean": dict.fromkeys(METRICS, 0.5 + gain),
                "std": dict.fromkeys(METRICS, None if alone else 0.011),
                "difference": None if is_baseline else {metric: {"mean": gain, **interval} for metric in METRICS},
            }
        )
    comparison = {
        "data": "demo/scenes",
        "split": "test",
        "seeds": list(seeds),
        "baseline": methods[0],
        "metrics": list(METRICS),
        "methods": table,
    }
    (folder / "comparison.json").write_text(json.dumps(comparison), encoding="utf-8")
    return folder


def _write_metrics(path: Path, cls: str, epochs: int, ap: float, random: np.random.Generator) -> None:
    rows = []
    for epoch in range(epochs):
        learned = 1 - math.exp(-3 * (epoch + 1) / epochs)
        plain = 0.6 * math.exp(-4 * (epoch + 1) / epochs)
        noise = random.normal(0, 0.01)
        rows.append(
            {
                "epoch": epoch,
                "step": 51 * (epoch + 1),
                "val/ap": round(ap * learned + noise, 4),
                "val/ap50": round(1.6 * ap * learned + noise, 4),
                "val/ap75": round(1.1 * ap * learned + noise, 4) if epoch else "",
                "val/ap_small": "",
                "train/classification": 0.97 - 0.01 * epoch if cls == "ghmc" else 3 * plain,
                "train/cls_plain_loss": plain,
                "train/bbox_regression": 0.03 - 0.001 * epoch,
                "train/box_plain_loss": 0.2 * plain,
                "lr": 5e-4,
            }
        )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _write_weights(path: Path, losses: list[tuple[str, int]], epochs: int) -> None:
    """The weights of a crowd that moves towards g = 0; the last region but one stays empty."""
    if not losses:
        return
    lines = ["loss,epoch,region,lower,upper,fraction,beta"]
    for loss, bins in losses:
        for epoch in range(epochs):
            fraction = np.exp(-np.arange(bins) / bins * (3 + 6 * epoch / epochs))
            fraction[-2] = 0
            fraction /= fraction.sum()
            occupied = np.count_nonzero(fraction)
            for region, share in enumerate(fraction):
                beta = 1 / (share * occupied) if share else 0
                lines.append(f"{loss},{epoch},{region},{region / bins},{(region + 1) / bins},{share},{beta}")
    path.write_text("\n".join(lines) + "\n")


def _write_norms(path: Path, cls: str, box: str) -> None:
    g = (np.arange(1000) + 0.5) / 1000
    edges = np.linspace(0, 2, 1001)
    np.savez(
        path,
        cls_positive=np.round(20 * (1 - g) ** 1.5 + 4 * np.exp((g - 1) / 0.05)),
        cls_negative=np.round(4e6 * np.exp(-g / 0.004) + 900 * np.exp(-g / 0.15) + 6 * np.exp((g - 1) / 0.03)),
        box_residual_edges=edges,
        box_residual_counts=np.round(300 * np.exp(-edges[:-1] / 0.08) + 0.8),
        bins_cls=30.0 if cls == "ghmc" else np.nan,
        bins_box=10.0 if box == "ghmr" else np.nan,
        mu=0.02 if box == "ghmr" else np.nan,
        focal_gamma=2.0 if cls == "focal" else np.nan,
        focal_alpha=0.25 if cls == "focal" else np.nan,
    )


def _write_samples(
    folder: Path, classes: tuple[str, ...], image_name: str, images: int, random: np.random.Generator
) -> None:
    (folder / "samples").mkdir()
    listed = []
    for index in range(images):
        picture = Image.fromarray(random.normal(214, 6, (120, 160, 3)).clip(0, 255).astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        labels, predictions = [], []
        for row, name in enumerate(classes[:3]):
            box = [12 + 48 * row, 20 + 20 * row, 46 + 48 * row, 54 + 20 * row]
            draw.ellipse(box, fill=(190, 90 + 40 * (row % 3), 110))
            labels.append({"box": box, "class": name})
            if row < 2:  # the last label is missed
                predictions.append({"box": [x + 2 for x in box], "class": name, "score": 0.9 - 0.2 * row})
        predictions.append({"box": [100, 8, 130, 30], "class": classes[0], "score": 0.45})
        predictions.append({"box": [0, 0, 9, 9], "class": classes[0], "score": 0.05})
        picture.save(folder / f"samples/{index}.jpg")
        listed.append(
            {
                "image": f"samples/{index}.jpg",
                "name": image_name if index == 0 else f"{index}_{image_name}",
                "width": 160,
                "height": 120,
                "labels": labels,
                "predictions": predictions,
            }
        )
    (folder / "samples.json").write_text(json.dumps(listed), encoding="utf-8")
