"""A run's files, read and checked (docs/run-folder.md). Missing optional files give None, malformed ones errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torchghm.printable import printable
from torchghm.results.arrays import Array
from torchghm.results.evaluation import Evaluation, read_evaluation
from torchghm.results.files import RunFiles
from torchghm.results.frames import data_frame
from torchghm.results.gradient_norms import GradientNorms, read_gradient_norms
from torchghm.results.history import WeightHistory, read_metrics, read_weights
from torchghm.results.json_fields import Fields, read_json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LabelledBox:
    """A box `(x1, y1, x2, y2)` in pixels with its class; `score` in [0, 1] of a prediction, nan of a label."""

    box: tuple[float, float, float, float]
    class_name: str
    score: float = math.nan

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


@dataclass(frozen=True)
class Sample:
    """An evaluation image: its stored picture, its name in the data set, its size in pixels, labels, predictions."""

    image: Path
    name: str
    width: float
    height: float
    labels: tuple[LabelledBox, ...] = ()
    predictions: tuple[LabelledBox, ...] = ()


@dataclass(frozen=True)
class Run:
    """One run: its final results, and what else its folder holds."""

    path: Path
    name: str
    cls: str
    box: str
    seed: int | None
    split: str
    epochs: float | None
    steps: float | None
    seconds: float | None
    classes: tuple[str, ...]
    metrics: dict[str, float | None]
    per_class: dict[str, float | None]
    boxes_per_class: dict[str, float | None] = field(default_factory=dict)
    history: dict[str, Array] = field(default_factory=dict)
    weights: dict[str, WeightHistory] = field(default_factory=dict)
    norms: GradientNorms | None = None
    samples: tuple[Sample, ...] = ()
    evaluation: Evaluation | None = None
    worst_images: tuple[Sample, ...] = ()
    """With the predictions at the evaluation's threshold."""
    recipe: str | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The pair of losses, as a comparison names it: `ghmc+ghmr`."""
        return f"{self.cls}+{self.box}"

    def to_pandas(self) -> pd.DataFrame:
        """Return the columns of metrics.csv, a row an epoch.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        return data_frame(self.history, "epoch" if self.history else None)


def read_run(folder: str | Path) -> Run:
    """Read a run folder.

    Arguments:
        folder: the folder that holds `results.json`.

    Returns:
        The run; its fields from an optional file are None or empty where the file is missing.

    Raises:
        FileNotFoundError: if `results.json` is missing.
        ValueError: if a file is malformed; the message names the file and the field.

    Examples:
        >>> read_run("runs/first").metrics["ap"]  # doctest: +SKIP
        0.53
    """
    files = RunFiles(folder)
    folder, results = files.path, files.results
    if not results.is_file():
        raise FileNotFoundError(f"Expected a finished run with {results} but there is no such file")
    of_run = Fields(results, read_json(results))
    seed = of_run.number("seed")
    return Run(
        path=folder,
        name=of_run.text("name", default=folder.name),
        cls=of_run.text("cls"),
        box=of_run.text("box"),
        seed=None if seed is None else int(seed),
        split=of_run.text("split", default=""),
        epochs=of_run.number("epochs"),
        steps=of_run.number("steps"),
        seconds=of_run.number("seconds"),
        classes=of_run.texts("classes") if of_run.has("classes") else (),
        metrics=of_run.numbers("metrics"),
        per_class=of_run.numbers("per_class"),
        boxes_per_class=of_run.numbers("boxes_per_class"),
        history=read_metrics(files.metrics),
        weights=read_weights(files.betas),
        norms=read_gradient_norms(files.gradient_norms),
        samples=_read_samples(files.samples),
        evaluation=read_evaluation(files.evaluation),
        worst_images=_read_samples(files.worst_images),
        recipe=_read_text(files.recipe),
        versions=_read_versions(files.versions),
    )


def _read_samples(path: Path) -> tuple[Sample, ...]:
    if not path.is_file():
        return ()
    samples = []
    for of_sample in Fields(path, {"samples": read_json(path)}).objects("samples"):
        width, height = of_sample.number("width"), of_sample.number("height")
        if not width or not height or width < 1 or height < 1:
            raise of_sample.error(f"`{of_sample.where}`", "an image with a width and a height", of_sample.data)
        sample = Sample(
            image=of_sample.inside("image"),
            name=of_sample.text("name"),
            width=width,
            height=height,
            labels=tuple(_read_box(box) for box in of_sample.objects("labels")),
            predictions=tuple(_read_box(box, scored=True) for box in of_sample.objects("predictions")),
        )
        if sample.image.is_file():  # like every optional file: where it is missing, it is not shown
            samples.append(sample)
    return tuple(samples)


def _read_box(of_box: Fields, scored: bool = False) -> LabelledBox:
    corners = of_box.number_list("box", length=4)
    score = of_box.number("score")
    if None in corners:
        raise of_box.error(f"`{of_box.where}.box`", "four numbers", corners)
    if scored and (score is None or not 0 <= score <= 1):
        raise of_box.error(f"`{of_box.where}.score`", "a number in [0, 1]", score)
    x1, y1, x2, y2 = (float(corner or 0.0) for corner in corners)
    return LabelledBox((x1, y1, x2, y2), of_box.text("class"), math.nan if score is None else score)


def _read_text(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"Expected {path} to be text in UTF-8, but got: {error}") from error
    return "\n".join(printable(line.expandtabs(4)) for line in lines)


def _read_versions(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    versions = Fields(path, read_json(path)).data
    return {printable(name): printable(str(value)) for name, value in versions.items() if value is not None}
