"""Sections on an evaluation: the threshold to deploy, errors by kind, the images with most of them."""

from __future__ import annotations

import numpy as np

from torchghm.report import captions
from torchghm.report.figures.evaluation import (
    plot_confusion,
    plot_error_kinds,
    plot_f1_by_threshold,
    plot_precision_recall,
    plot_reliability,
)
from torchghm.report.figures.samples import match_predictions, plot_samples
from torchghm.report.inline_svg import inline_svg
from torchghm.report.section import Section, Table, Tile, section
from torchghm.results.arrays import Array
from torchghm.results.diagnosis import ERROR_KINDS, THRESHOLDS, Diagnosis, ScoreCurve
from torchghm.results.run import Run


def evaluation_sections(run: Run) -> list[Section]:
    """Return the sections on a run's evaluation, none where it has not been evaluated."""
    if run.evaluation is None:
        return []
    diagnosis, split = run.evaluation.diagnosis, run.evaluation.split
    sections = (_thresholds(diagnosis, split), _errors(diagnosis, split), _worst_images(run, diagnosis.threshold))
    return [found for found in sections if found is not None]


def _thresholds(diagnosis: Diagnosis, split: str) -> Section | None:
    curves = (diagnosis.overall, *diagnosis.by_class)
    chosen = diagnosis.overall
    shown = [curve for curve in curves if curve.objects]
    marked = None if chosen.recall is None or chosen.precision is None else ([chosen.recall], [chosen.precision])
    lines, _ = plot_precision_recall(
        {curve.name: (_numbers(curve.recalls), _numbers(curve.precisions)) for curve in shown}, marked=marked
    )
    f1, _ = plot_f1_by_threshold({curve.name: (THRESHOLDS, _f1(curve)) for curve in shown}, threshold=chosen.threshold)
    cells = diagnosis.reliability
    reliability, _ = plot_reliability(
        _numbers(tuple(cell.score for cell in cells)),
        _numbers(tuple(cell.precision for cell in cells)),
        [cell.detections for cell in cells],
    )
    error = diagnosis.calibration_error
    tiles = [
        Tile(inline_svg(lines, "Precision over recall", "precision-recall"), "Precision and recall"),
        Tile(inline_svg(f1, "F1 over the threshold", "f1"), "F1"),
        Tile(
            inline_svg(reliability, "Part that is right, over the score", "reliability"),
            "Calibration",
            note="" if error is None else f"calibration error {error:.3f}",
        ),
    ]
    title, caption = captions.THRESHOLDS
    words = caption.format(split=split, chosen_on=diagnosis.chosen_on)
    rows = tuple((curve.name or "all together", *_cells(curve)) for curve in curves)
    table = Table(("class", "objects", "threshold", "precision", "recall", "F1"), rows)
    return section("thresholds", (title, words), ("", tiles), table=table)


def _errors(diagnosis: Diagnosis, split: str) -> Section | None:
    totals = {label: sum(diagnosis.errors[kind].values()) for kind, label in ERROR_KINDS.items()}
    kinds, _ = plot_error_kinds(totals)
    names = [curve.name for curve in diagnosis.by_class]
    confusion, _ = plot_confusion(diagnosis.confusion, names)
    title, caption = captions.ERRORS
    words = caption.format(split=split, threshold=diagnosis.threshold)
    rows = tuple((name, *(str(diagnosis.errors[kind][name]) for kind in ERROR_KINDS)) for name in names)
    return section(
        "errors",
        (title, words),
        (
            "",
            [
                Tile(inline_svg(kinds, "Errors by kind", "error-kinds"), "Errors by kind"),
                Tile(inline_svg(confusion, "Confusion matrix", "confusion"), "Confusions"),
            ],
        ),
        table=Table(("class", *ERROR_KINDS.values()), rows),
    )


def _worst_images(run: Run, threshold: float) -> Section | None:
    tiles = []
    for index, sample in enumerate(run.worst_images):
        found, wrong, missed = match_predictions(sample, threshold)
        fig, _ = plot_samples([sample], score_threshold=threshold)
        note = f"{len(found)} found, {len(wrong)} wrong, {len(missed)} missed"
        tiles.append(Tile(inline_svg(fig, sample.name, f"worst-{index}"), note=f"{sample.name}: {note}"))
    title, caption = captions.WORST_IMAGES
    return section("worst-images", (title, caption.format(threshold=threshold)), ("", tiles))


def _cells(curve: ScoreCurve) -> tuple[str, ...]:
    threshold = "–" if curve.threshold is None else f"{curve.threshold:.2f}"
    values = ("–" if value is None else f"{value:.3f}" for value in (curve.precision, curve.recall, curve.f1))
    return (str(curve.objects), threshold, *values)


def _f1(curve: ScoreCurve) -> Array:
    precision, recall = _numbers(curve.precisions), _numbers(curve.recalls)
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.where(total == 0, 0.0, np.nan), where=total > 0)


def _numbers(values: tuple[float | None, ...]) -> Array:
    return np.array([np.nan if value is None else value for value in values])
