from __future__ import annotations

import pytest

from torchghm.report import plot_paired_differences, plot_per_class_average_precision
from torchghm.report.figures.palette import color, method_colors


def test_differences_with_their_intervals():
    differences = {"focal+smooth_l1": (0.03, 0.01, 0.05), "ghmc+ghmr": (-0.02, None, None)}
    _, ax = plot_paired_differences(differences, baseline="ce+smooth_l1", metric="AP50")
    interval, known, unknown, zero = ax.get_lines()
    assert list(interval.get_xdata()) == pytest.approx([1, 5])  # points
    assert list(known.get_xdata()) == pytest.approx([3])
    assert list(unknown.get_xdata()) == pytest.approx([-2])
    assert unknown.get_markerfacecolor() == "none"  # without an interval the point is hollow
    assert list(zero.get_xdata()) == [0, 0]
    assert ax.get_xlabel() == "difference in AP50, points,\nto CE + smooth L1"
    low, high = ax.get_xlim()
    assert low == -high
    assert high > 5


def test_classes_have_a_row_and_methods_a_point():
    values = {"ce+smooth_l1": {"a": 0.1, "<b>": 0.2}, "ghmc+ghmr": {"<b>": 0.3, "c": 0.4}}
    fig, ax = plot_per_class_average_precision(values)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "<b>", "c"]
    first, second = ax.get_lines()
    assert list(first.get_xdata()) == pytest.approx([10, 20])
    assert list(second.get_xdata()) == pytest.approx([30, 40])
    assert [round(row) for row in second.get_ydata()] == [1, 2]
    assert (first.get_color(), second.get_color()) == (color("ce"), color("ghmc"))
    assert ax.get_xlim() == (0, 100)
    assert len(fig.legends[0].get_texts()) == 2


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="`differences` to hold at least one method"):
        plot_paired_differences({}, baseline="ce")
    with pytest.raises(ValueError, match="`values` to hold at least one class"):
        plot_per_class_average_precision({"ce": {}})


def test_variants_have_the_colours_that_they_have_beside_the_baseline():
    names = [f"focal+ghmr@mu={mu}" for mu in (0.02, 0.05, 0.1)]
    colors = method_colors(names)
    differences = dict.fromkeys(names[1:], (0.01, None, None))
    _, ax = plot_paired_differences(differences, baseline=names[0], colors=colors)
    drawn = [line.get_color() for line in ax.lines if line.get_marker() == "D"]
    assert drawn == [color(colors[name]) for name in names[1:]]
    assert ax.get_xlabel() == "difference in AP, points,\nto focal + GHM-R, mu=0.02"


def test_classes_tell_how_many_boxes_they_have():
    _, ax = plot_per_class_average_precision({"ce+smooth_l1": {"WBC": 0.7, "RBC": 0.5}}, boxes={"WBC": 1204})
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["WBC (1,204)", "RBC"]
