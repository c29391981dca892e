"""Sections on results and training: differences, average precision, losses, harmonizing weights, samples."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from torchghm.report import captions
from torchghm.report.figures.palette import method_colors
from torchghm.report.figures.results import plot_paired_differences, plot_per_class_average_precision
from torchghm.report.figures.samples import match_predictions, plot_samples
from torchghm.report.figures.training import (
    plot_average_precision,
    plot_training_losses,
    plot_weights_over_training,
)
from torchghm.report.inline_svg import inline_svg
from torchghm.report.section import Drawn, Methods, Section, Tile, section, tiles_by_method
from torchghm.results.arrays import Array
from torchghm.results.average_precision import METRIC_LABELS
from torchghm.results.comparison import Comparison
from torchghm.results.run import Run

SCORE_THRESHOLD = 0.3
MOST_IMAGES = 6


def differences_section(comparison: Comparison) -> Section | None:
    """Return the section on paired differences to the baseline in the comparison's first metric."""
    metric = comparison.metrics[0]
    differences = {
        method.name: (found.mean, found.low, found.high)
        for method in comparison.methods
        if (found := method.difference.get(metric)) is not None and found.mean is not None
    }
    if not differences:
        return None
    label = METRIC_LABELS.get(metric, metric)
    colors = method_colors(method.name for method in comparison.methods)
    fig, _ = plot_paired_differences(differences, baseline=comparison.baseline, metric=label, colors=colors)
    words = captions.DIFFERENCES if len(comparison.seeds) > 1 else captions.DIFFERENCES_OF_ONE_SEED
    return section("differences", words, ("", [Tile(inline_svg(fig, words[0], "differences"))]))


def average_precision_section(methods: Methods) -> Section | None:
    """Return the section on AP and AP50 over the epochs."""
    tiles = []
    for metric in ("ap", "ap50"):
        curves, epochs = _by_epoch(methods, f"val/{metric}")
        if curves:
            label = METRIC_LABELS[metric]
            fig, _ = plot_average_precision(curves, epochs=epochs.tolist(), metric=label)
            tiles.append(Tile(inline_svg(fig, f"{label} over epochs", f"over-epochs-{metric}")))
    title, caption = captions.AVERAGE_PRECISION
    if (seeds := max(len(runs) for runs in methods.values())) > 1:
        caption += f" The line is the mean over {seeds} seeds, the band one standard deviation to either side."
    return section("over-epochs", (title, caption), ("", tiles))


def per_class_section(methods: Methods, split: str) -> Section | None:
    """Return the section on AP by class, the mean over seeds."""
    values: dict[str, dict[str, float]] = {}
    for method, runs in methods.items():
        # Classes in the order of the data set; a class without boxes in the split has no AP.
        for name in dict.fromkeys(name for run in runs for name in (*run.classes, *run.per_class)):
            of_seeds = [value for run in runs if (value := run.per_class.get(name)) is not None]
            if of_seeds:
                values.setdefault(method, {})[name] = float(np.mean(of_seeds))
    if not values:
        return None
    title, caption = captions.PER_CLASS
    where = f" on the {split} split" if split else ""
    mean = ", mean over seeds" if max(len(runs) for runs in methods.values()) > 1 else ""
    boxes = {
        name: round(count)
        for runs in methods.values()
        for name, count in runs[0].boxes_per_class.items()
        if count is not None
    }
    fig, _ = plot_per_class_average_precision(values, boxes=boxes)
    caption = f"Average precision of each class{where}{mean}. {caption}"
    return section("per-class", (title, caption), ("", [Tile(inline_svg(fig, title, "per-class"))]))


def losses_section(methods: Methods) -> Section | None:
    """Return the section on the minimised loss, with the plain loss beside it."""

    def draw(run: Run, name: str, minimised: str, plain: str) -> Drawn | None:
        loss, plain_loss = _measured(run, minimised), _measured(run, plain)
        if loss is None or plain_loss is None:
            return None
        return plot_training_losses(loss, plain_loss, name=name, epochs=(run.history["epoch"] + 1).tolist()), ""

    return section(
        "losses",
        captions.LOSSES,
        (
            "Classification",
            tiles_by_method(
                methods,
                "loss-cls",
                "Classification loss over epochs",
                lambda run: draw(run, run.cls, "train/classification", "train/cls_plain_loss"),
            ),
        ),
        (
            "Box regression",
            tiles_by_method(
                methods,
                "loss-box",
                "Box loss over epochs",
                lambda run: draw(run, run.box, "train/bbox_regression", "train/box_plain_loss"),
            ),
        ),
    )


def weights_section(methods: Methods) -> Section | None:
    """Return the section on harmonizing weights over training."""

    def draw(run: Run, loss: str) -> Drawn | None:
        history = run.weights.get(loss)
        if history is None or not (history.beta > 0).any():
            return None
        return plot_weights_over_training(history.beta, epochs=(history.epochs + 1).tolist()), ""

    label = "Harmonizing weight by region and epoch"
    return section(
        "beta",
        captions.WEIGHTS,
        ("GHM-C", tiles_by_method(methods, "beta-cls", label, lambda run: draw(run, "cls"))),
        ("GHM-R", tiles_by_method(methods, "beta-box", label, lambda run: draw(run, "box"))),
    )


def samples_section(methods: Methods) -> Section | None:
    """Return the section of sample images with labels and predictions, the same image of all methods side by side."""
    # Images of different folders may share a name; the stored pictures are numbered alike in all runs.
    images = dict.fromkeys((sample.image.name, sample.name) for runs in methods.values() for sample in runs[0].samples)

    def draw(run: Run, image: tuple[str, str]) -> Drawn | None:
        sample = next((sample for sample in run.samples if (sample.image.name, sample.name) == image), None)
        if sample is None:
            return None
        found, wrong, missed = match_predictions(sample, SCORE_THRESHOLD)
        note = f"{len(found)} found, {len(wrong)} wrong, {len(missed)} missed"
        return plot_samples([sample], score_threshold=SCORE_THRESHOLD), note

    title, caption = captions.SAMPLES
    groups = [
        (image[1], tiles_by_method(methods, f"sample-{index}", image[1], partial(draw, image=image)))
        for index, image in enumerate(list(images)[:MOST_IMAGES])
    ]
    return section("samples", (title, caption.format(threshold=SCORE_THRESHOLD)), *groups)


def _measured(run: Run, column: str) -> Array | None:
    """Return a column of a run's metrics, None where it is missing or empty throughout."""
    values = run.history.get(column)
    return values if values is not None and np.isfinite(values).any() else None


def _by_epoch(methods: Methods, column: str) -> tuple[Mapping[str, Array], Array]:
    """Return a metric of all methods on common epochs (from 1): method -> [seeds, epochs], nan where not measured."""
    measured = {
        method: [(run.history["epoch"] + 1, values) for run in runs if (values := _measured(run, column)) is not None]
        for method, runs in methods.items()
    }
    epochs = np.unique(np.concatenate([[], *(at for seeds in measured.values() for at, _ in seeds)]))
    curves = {}
    for method, seeds in measured.items():
        table = np.full((len(seeds), epochs.size), np.nan)
        for row, (at, values) in zip(table, seeds, strict=True):
            row[np.searchsorted(epochs, at)] = values  # of an epoch that a resumed run wrote twice, the later row
        if seeds:
            curves[method] = table
    return curves, epochs
