"""Figures of an evaluation show the numbers that they are given."""

import numpy as np
import pytest

from torchghm.report.figures.evaluation import (
    plot_confusion,
    plot_error_kinds,
    plot_f1_by_threshold,
    plot_precision_recall,
    plot_reliability,
)


def test_precision_and_recall_of_few_classes_have_names_and_of_many_have_none():
    line = ([0.2, 0.6], [0.9, 0.7])
    _, ax = plot_precision_recall({"": line, "cat": line}, marked=([0.6], [0.7]))
    assert [drawn.get_label() for drawn in ax.get_lines()] == ["cat", "all together", "threshold to deploy"]
    assert ax.get_lines()[1].get_xydata().tolist() == [[0.2, 0.9], [0.6, 0.7]]
    _, ax = plot_precision_recall({str(number): line for number in range(9)})
    assert all(drawn.get_label().startswith("_") for drawn in ax.get_lines())


def test_f1_has_a_line_at_the_threshold():
    _, ax = plot_f1_by_threshold({"": ([0.2, 0.6], [0.9, 0.7])}, threshold=0.25)
    assert ax.get_lines()[-1].get_xdata() == [0.25, 0.25]


def test_a_confusion_matrix_shows_its_counts():
    counts = [[8, 0, 2], [1, 5, 0], [3, 0, 0]]
    _, ax = plot_confusion(counts, ["cat", "dog"])
    shown = {text.get_position()[::-1]: int(text.get_text()) for text in ax.texts}
    assert shown == {(0, 0): 8, (0, 2): 2, (1, 0): 1, (1, 1): 5, (2, 0): 3}
    with pytest.raises(ValueError, match=r"`counts` to be of shape \[2, 2\], but got \[3, 3\]"):
        plot_confusion(counts, ["cat"])


@pytest.mark.parametrize(("classes", "named"), [(39, 40), (40, 21), (200, 34)])
def test_of_many_classes_in_a_confusion_matrix_every_nth_has_a_name(classes, named):
    """All of them would be drawn over each other."""
    _, ax = plot_confusion(np.eye(classes + 1), [f"class {number}" for number in range(classes)])
    for axis in (ax.xaxis, ax.yaxis):
        names = {
            int(place): text.get_text() for place, text in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        }
        assert names.pop(classes) == "background"
        assert names == {place: f"class {place}" for place in names}
        assert len(names) + 1 == named


def test_tenths_without_detections_are_left_out():
    _, ax = plot_reliability([0.25, np.nan, 0.75], [0.1, np.nan, 0.8], [30, 0, 20])
    assert ax.get_lines()[1].get_xydata().tolist() == [[0.25, 0.1], [0.75, 0.8]]


def test_kinds_of_errors_are_bars():
    _, ax = plot_error_kinds({"missed": 7, "duplicate": 0})
    assert [bar.get_width() for bar in ax.patches] == [7, 0]
