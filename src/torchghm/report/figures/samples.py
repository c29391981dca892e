"""Sample images with labels and predictions: what was found, what was missed, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from PIL import Image

from torchghm.report.figures.palette import axes_for, color, literal
from torchghm.results.run import LabelledBox, Sample

# The id of a picture in an SVG begins with it; the page stores these with loss, and only these.
PHOTOGRAPH = "photograph"
# On a photograph, not on the page's ground: one set for both, each line drawn over a dark edge.
FOUND, WRONG, MISSED = "#4cc3ff", "#ff7a1a", "#ffe14d"


def match_predictions(
    sample: Sample, score_threshold: float = 0.3, iou_threshold: float = 0.5
) -> tuple[list[LabelledBox], list[LabelledBox], list[LabelledBox]]:
    """Sort an image's boxes into found (predictions with a label), wrong (predictions without) and missed (labels).

    Predictions of at least `score_threshold`, best first, each take the free label of their class that they overlap
    most, if the intersection over union is at least `iou_threshold`.

    Arguments:
        sample: the image's labels and predictions.
        score_threshold: lowest score of a prediction that counts, in [0, 1].
        iou_threshold: lowest overlap with a label, in [0, 1].

    Returns:
        Lists of found and wrong predictions and of missed labels.
    """
    free = list(sample.labels)
    found: list[LabelledBox] = []
    wrong: list[LabelledBox] = []
    for prediction in sorted(sample.predictions, key=lambda box: -box.score):
        if prediction.score < score_threshold:
            continue
        candidates = [label for label in free if label.class_name == prediction.class_name]
        best = max(candidates, key=lambda label: _overlap(label, prediction), default=None)
        if best is not None and _overlap(best, prediction) >= iou_threshold:
            free.remove(best)
            found.append(prediction)
        else:
            wrong.append(prediction)
    return found, wrong, free


def plot_samples(
    samples: Sequence[Sample], *, score_threshold: float = 0.3, columns: int = 3, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw images with their boxes: found objects (blue), wrong predictions (orange), missed labels (yellow, dashed).

    Arguments:
        samples: images with labels and predictions, boxes in pixels; several are laid out in a grid with their names.
        score_threshold: lowest score of a prediction that is drawn, in [0, 1].
        columns: images side by side.
        ax: axes to draw on; new ones by default.

    Returns:
        The figure and the axes.

    Raises:
        ValueError: if `samples` is empty, or an image can't be read.

    Examples:
        >>> from torchghm.report import read_run
        >>> fig, ax = plot_samples(read_run("runs/first").samples[:3])  # doctest: +SKIP
    """
    if not samples:
        raise ValueError("Expected argument `samples` to hold at least one image, but got none")
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    gap = 0.0 if len(samples) == 1 else 0.08 * max(sample.width for sample in samples)
    cell_width = max(sample.width for sample in samples) + gap
    cell_height = max(sample.height for sample in samples) + gap
    width = 4.4 if len(samples) == 1 else 3.2 * columns
    fig, ax = axes_for(ax, width, width * rows * cell_height / (columns * cell_width))
    for index, sample in enumerate(samples):
        left, top = index % columns * cell_width, index // columns * cell_height + gap
        _draw(ax, sample, left, top, score_threshold)
        if gap:
            ax.text(left, top - 0.15 * gap, literal(sample.name), color=color("ink"), fontsize=8, va="bottom")
    ax.set(xlim=(0, columns * cell_width - gap), ylim=(rows * cell_height, 0), aspect="equal")
    ax.set_axis_off()
    return fig, ax


def _draw(ax: Axes, sample: Sample, left: float, top: float, score_threshold: float) -> None:
    """Draw one image with its corner at (left, top)."""
    ax.imshow(
        read_image(sample),
        extent=(left, left + sample.width, top + sample.height, top),
        interpolation="none",
        gid=f"{PHOTOGRAPH}-{left:g}-{top:g}",
    )
    found, wrong, missed = match_predictions(sample, score_threshold)
    edge = [Stroke(linewidth=3.0, foreground="#00000099"), Normal()]
    # In a crowd the names of what is right would cover the image; what is wrong or missed keeps its name.
    named = {id(box) for box in (*wrong, *missed)} | ({id(box) for box in found} if len(found) <= 12 else set())
    for boxes, colour, dash in ((missed, MISSED, (0, (3, 1.5))), (found, FOUND, "-"), (wrong, WRONG, "-")):
        for box in boxes:
            x1, y1, x2, y2 = box.box
            ax.add_patch(
                Rectangle(
                    (left + x1, top + y1),
                    x2 - x1,
                    y2 - y1,
                    fill=False,
                    edgecolor=colour,
                    linewidth=1.5,
                    linestyle=dash,
                    path_effects=edge,
                )
            )
            if id(box) in named:
                score = "" if np.isnan(box.score) else f" {box.score:.2f}"
                ax.text(
                    left + min(max(x1, 0), sample.width),
                    top + min(max(y1, 0), sample.height),
                    literal(box.class_name, 20) + score,
                    fontsize=6.5,
                    color="#10151c",
                    va="top",
                    clip_on=True,
                    bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
                )


def read_image(sample: Sample) -> Image.Image:
    """Open a sample's stored picture as RGB.

    Raises:
        ValueError: if the file is no image, is cut off, or is larger than Pillow accepts; it names the file.
    """
    try:
        with Image.open(sample.image) as picture:
            return picture.convert("RGB")
    # Ultralytics, once imported, asks for another package where Pillow recognises nothing.
    except (OSError, SyntaxError, ImportError, Image.DecompressionBombError) as error:
        raise ValueError(f"Expected {sample.image} to be a readable image, but got: {error}") from error


def _overlap(a: LabelledBox, b: LabelledBox) -> float:
    """Return the intersection over union of two boxes."""
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a.area + b.area) - shared)
