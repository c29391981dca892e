from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from torchghm.report import plot_samples, read_run
from torchghm.report.figures.samples import FOUND, MISSED, WRONG, match_predictions
from torchghm.results.run import LabelledBox, Sample

LABELS = (LabelledBox((0, 0, 10, 10), "a"), LabelledBox((20, 0, 30, 10), "a"), LabelledBox((40, 0, 50, 10), "b"))


def sample(*predictions: LabelledBox) -> Sample:
    return Sample(Path("none.jpg"), "none.jpg", 60, 20, LABELS, predictions)


def test_predictions_take_labels_of_their_class_best_score_first():
    best = LabelledBox((1, 0, 11, 10), "a", 0.9)
    double = LabelledBox((0, 0, 10, 10), "a", 0.8)  # overlaps more, but the label is taken
    other_class = LabelledBox((40, 0, 50, 10), "a", 0.7)
    too_far = LabelledBox((26, 0, 36, 10), "a", 0.6)  # IoU 0.25
    too_unsure = LabelledBox((20, 0, 30, 10), "a", 0.2)
    found, wrong, missed = match_predictions(sample(too_unsure, double, best, other_class, too_far), 0.3)
    assert found == [best]
    assert wrong == [double, other_class, too_far]
    assert missed == [LABELS[1], LABELS[2]]


def test_an_image_without_boxes():
    empty = Sample(Path("none.jpg"), "none.jpg", 60, 20)
    assert match_predictions(empty) == ([], [], [])


def test_boxes_are_drawn_where_they_are(run_folder: Path):
    _, ax = plot_samples(read_run(run_folder).samples[:1])
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    drawn = {(box.get_x(), box.get_y(), box.get_width(), box.get_height()) for box in boxes}
    assert drawn == {(14, 22, 34, 34), (62, 42, 34, 34), (108, 60, 34, 34), (100, 8, 30, 22)}
    colors = [tuple(round(255 * channel) for channel in box.get_edgecolor()[:3]) for box in boxes]
    expected = [tuple(int(value[at : at + 2], 16) for at in (1, 3, 5)) for value in (MISSED, FOUND, FOUND, WRONG)]
    assert colors == expected
    assert {text.get_text() for text in ax.texts} == {"RBC 0.90", "WBC 0.70", "RBC 0.45", "Platelets"}
    (picture,) = [child for child in ax.get_children() if isinstance(child, AxesImage)]
    assert list(picture.get_extent()) == [0, 160, 120, 0]


def test_several_images_are_a_grid_with_names(run_folder: Path):
    samples = read_run(run_folder).samples * 2
    _, ax = plot_samples(samples, columns=3)
    pictures = [child for child in ax.get_children() if isinstance(child, AxesImage)]
    assert len(pictures) == 4
    lefts = [picture.get_extent()[0] for picture in pictures]
    assert lefts[0] == lefts[3] == 0  # the fourth begins the second row
    assert lefts[0] < lefts[1] < lefts[2]
    assert [text.get_text() for text in ax.texts].count("cells_1.jpg") == 2


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="`samples` to hold at least one image"):
        plot_samples([])
    with pytest.raises(ValueError, match=r"none\.jpg to be a readable image"):
        plot_samples([sample()])
