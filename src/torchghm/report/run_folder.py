"""What a run wrote, read and checked (docs/run-folder.md). Missing optional files give None, malformed ones errors."""

from __future__ import annotations

import csv
import math
import zipfile
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

import numpy as np

from torchghm.report.gradient_table import Array
from torchghm.report.json_fields import Fields, printable, read_json


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
class GradientNorms:
    """Counts of the trained model's gradient norms, and the settings of the losses (nan where a run has none)."""

    cls_positive: Array
    cls_negative: Array
    box_residual_edges: Array
    box_residual_counts: Array
    bins_cls: float
    bins_box: float
    mu: float
    focal_gamma: float
    focal_alpha: float
    # Files may lack these; nan draws the defaults.
    cls_max_weight: float = math.nan  # inf for no cap
    cls_by_regions: float = math.nan  # 1 where `normalize="regions"`
    cls_exact: float = math.nan  # 1 where `density="exact"`
    box_max_weight: float = math.nan
    box_by_regions: float = math.nan
    box_exact: float = math.nan
    delta: float = math.nan  # of smooth L1


@dataclass(frozen=True)
class WeightHistory:
    """Harmonizing weights over training: epochs [E] (from 0) and beta [E, M], nan where nothing was written."""

    epochs: Array
    beta: Array


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
    history: dict[str, Array] = field(default_factory=dict)
    weights: dict[str, WeightHistory] = field(default_factory=dict)
    norms: GradientNorms | None = None
    samples: tuple[Sample, ...] = ()
    recipe: str | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The pair of losses, as a comparison names it: `ghmc+ghmr`."""
        return f"{self.cls}+{self.box}"


def read_run(folder: str | Path) -> Run:
    """Read a run folder.

    Args:
        folder: the folder that holds `results.json`.

    Returns:
        The run; what an optional file would have given is None or empty where the file is missing.

    Raises:
        FileNotFoundError: if `results.json` is missing.
        ValueError: if a file is malformed; the message names the file and the field.

    Example:
        >>> read_run("runs/first").metrics["ap"]  # doctest: +SKIP
        0.53
    """
    folder = Path(folder)
    results = folder / "results.json"
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
        history=_read_metrics(folder / "metrics.csv"),
        weights=_read_weights(folder / "beta_history.csv"),
        norms=_read_norms(folder / "gradient_norms.npz"),
        samples=_read_samples(folder / "samples.json"),
        recipe=_read_text(folder / "recipe.yaml"),
        versions=_read_versions(folder / "versions.json"),
    )


def _read_rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a CSV file with the columns needed; none where the file is missing."""
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            columns = list(reader.fieldnames or [])
            if not set(needed) <= set(columns):
                raise ValueError(f"Expected {path} to have the columns {', '.join(needed)} but got {columns}")
            return list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"Expected {path} to be CSV in UTF-8 but got: {error}") from error


def _cell(path: Path, line: int, column: str, text: str) -> float:
    """A number of a CSV file, nan where its cell is empty or infinite (a loss that diverged leaves a gap)."""
    try:
        number = float(text) if text.strip() else math.nan
        return number if math.isfinite(number) else math.nan
    except ValueError:
        raise ValueError(f"Expected a number in {path}, line {line}, column `{column}` but got {text[:40]!r}") from None


def _read_metrics(path: Path) -> dict[str, Array]:
    rows = _read_rows(path, ("epoch",))
    columns = [name for name in rows[0] if name] if rows else []
    history = {
        name: np.array([_cell(path, line, name, row[name]) for line, row in enumerate(rows, start=2)])
        for name in columns
    }
    if rows and not np.isfinite(history["epoch"]).all():
        raise ValueError(f"Expected column `epoch` in {path} to be a number in each row but got an empty cell")
    return history


def _read_weights(path: Path) -> dict[str, WeightHistory]:
    cells: dict[str, dict[tuple[float, int], float]] = {}
    for line, row in enumerate(_read_rows(path, ("loss", "epoch", "region", "beta")), start=2):
        epoch, region, beta = (_cell(path, line, column, row[column]) for column in ("epoch", "region", "beta"))
        if not (math.isfinite(epoch) and 0 <= region < 10_000) or beta < 0:
            raise ValueError(
                f"Expected {path}, line {line} to give an epoch, a region from 0 and a beta of at least 0 "
                f"but got {epoch}, {region}, {beta}"
            )
        cells.setdefault(row["loss"], {})[epoch, int(region)] = beta
    histories = {}
    for loss, of_loss in cells.items():
        epochs = sorted({epoch for epoch, _ in of_loss})
        beta_table = np.full((len(epochs), 1 + max(region for _, region in of_loss)), np.nan)
        for (epoch, region_index), beta in of_loss.items():
            beta_table[epochs.index(epoch), region_index] = beta
        histories[loss] = WeightHistory(np.array(epochs), beta_table)
    return histories


def _read_norms(path: Path) -> GradientNorms | None:
    if not path.is_file():
        return None
    names = tuple(f.name for f in fields(GradientNorms) if f.default is MISSING)
    try:
        with np.load(path, allow_pickle=False) as stored:
            options = [f.name for f in fields(GradientNorms) if f.default is not MISSING and f.name in stored]
            arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in (*names, *options)}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"Expected {path} to hold the arrays {', '.join(names)} but got: {error}") from error
    for name in names[:4]:
        array = arrays[name]
        if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(
                f"Expected `{name}` in {path} to be a list of finite numbers of at least 0 but got shape {array.shape}"
            )
    edges, counts = arrays["box_residual_edges"], arrays["box_residual_counts"]
    if edges.size != counts.size + 1 or not (np.diff(edges) > 0).all():
        raise ValueError(
            f"Expected `box_residual_edges` in {path} to be {counts.size + 1} ascending numbers but got {edges.size}"
        )
    if arrays["cls_positive"].size != arrays["cls_negative"].size:
        raise ValueError(f"Expected `cls_positive` and `cls_negative` in {path} to be of one length")
    if any(array.size != 1 for name, array in arrays.items() if name not in names[:4]):
        raise ValueError(f"Expected {', '.join([*names[4:], *options])} in {path} to be single numbers")
    return GradientNorms(**{n: a if n in names[:4] else a.item() for n, a in arrays.items()})  # type: ignore[arg-type]


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
        raise ValueError(f"Expected {path} to be text in UTF-8 but got: {error}") from error
    return "\n".join(printable(line.expandtabs(4)) for line in lines)


def _read_versions(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    versions = Fields(path, read_json(path)).data
    return {printable(name): printable(str(value)) for name, value in versions.items() if value is not None}
