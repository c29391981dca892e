from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from torchghm.report import plot_average_precision, plot_training_losses, plot_weights_over_training
from torchghm.report.figures.palette import color


def test_average_precision_is_the_mean_over_seeds_with_a_band():
    seeds = np.array([[0.1, 0.3], [0.2, 0.5]])
    _, ax = plot_average_precision({"ce+smooth_l1": [0.1, 0.2], "ghmc+ghmr": seeds})
    one, mean = ax.get_lines()
    assert one.get_ydata().tolist() == pytest.approx([10, 20])
    np.testing.assert_allclose(mean.get_ydata(), 100 * seeds.mean(axis=0))
    assert mean.get_xdata().tolist() == [1, 2]
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    spread = seeds.std(axis=0, ddof=1)
    np.testing.assert_allclose(corners[:, 1].max(), 100 * (seeds.mean(axis=0)[1] + spread[1]))
    assert (mean.get_color(), mean.get_linestyle()) == (color("ghmc"), "--")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CE + smooth L1", "GHM-C + GHM-R"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "AP")


def test_epochs_without_a_measurement_are_left_out():
    _, ax = plot_average_precision({"ce": [np.nan, 0.2, np.nan, 0.4]}, epochs=[1, 2, 3, 4], metric="AP50")
    (line,) = ax.get_lines()
    assert line.get_xdata().tolist() == [2, 4]
    assert line.get_ydata().tolist() == pytest.approx([20, 40])
    assert ax.get_legend() is None
    _, ax = plot_average_precision({"ce": [[np.nan, 0.2], [0.1, 0.4]]})
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), [10, 30])


def test_many_methods_have_their_legend_above():
    fig, ax = plot_average_precision({f"{cls}+ghmr": [0.1] for cls in "abcdef"})
    assert ax.get_legend() is None
    assert len(fig.legends[0].get_texts()) == 6
    ax = Figure().add_subplot()
    plot_average_precision({f"{cls}+ghmr": [0.1] for cls in "abcdef"}, ax=ax)
    assert len(ax.get_legend().get_texts()) == 6


def test_losses_are_drawn_beside_the_plain_loss():
    _, ax = plot_training_losses([1.0, 0.97, np.nan], [0.5, 0.1, 0.01], name="ghmc", epochs=[3, 4, 5])
    minimised, plain = ax.get_lines()
    assert minimised.get_xdata().tolist() == [3, 4, 5]
    assert plain.get_ydata().tolist() == pytest.approx([1, 0.2, 0.02])
    assert (minimised.get_color(), plain.get_linestyle()) == (color("ghmc"), "--")
    assert ax.get_yscale() == "log"


def test_a_loss_of_0_needs_a_linear_scale():
    _, ax = plot_training_losses([1.0, 0.0], [0.5, 0.1])
    assert (ax.get_yscale(), ax.get_ylabel()) == ("linear", "loss, first epoch = 1")


def test_the_heat_map_shows_weights_by_region_and_epoch():
    beta = np.array([[0.1, 0.0, 100.0], [0.2, 1.0, 50.0]])
    fig, ax = plot_weights_over_training(beta, epochs=[5, 6])
    (image,) = [child for child in ax.get_children() if isinstance(child, AxesImage)]
    shown = np.ma.filled(image.get_array(), np.nan)
    assert shown.shape == (3, 2)  # regions upwards, epochs to the right
    np.testing.assert_allclose(shown[2], [2.0, np.log10(50)])
    assert np.isnan(shown[1, 0])
    assert list(image.get_extent()) == [4.5, 6.5, 0, 1]
    assert image.norm(0.0) == 0.5  # beta = 1 is the middle of the colours
    bar = fig.axes[1]
    assert bar.get_ylabel() == "harmonizing weight β (log)"
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0.1", "1", "10", "100"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "gradient norm g")


def test_weights_that_never_leave_1_can_be_drawn():
    fig, _ = plot_weights_over_training([[1.0, 1.0]])
    fig.draw_without_rendering()


@pytest.mark.parametrize("beta", [[1.0], [[0.0]], [[-1.0, 2.0]]])
def test_malformed_weights_are_refused(beta: list):
    with pytest.raises(ValueError, match="`beta` to be a table"):
        plot_weights_over_training(beta)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="to have 3 epochs, but got 2"):
        plot_average_precision({"ce": [0.1, 0.2]}, epochs=[1, 2, 3])
    with pytest.raises(ValueError, match="`plain_loss` to have 2 epochs, but got 1"):
        plot_training_losses([1.0, 1.0], [1.0], epochs=[1, 2])


def test_all_draw_on_given_axes():
    fig = Figure()
    ax = fig.add_subplot()
    assert plot_average_precision({"ce": [0.1]}, ax=ax) == (fig, ax)
    assert plot_training_losses([1.0], [1.0], ax=ax) == (fig, ax)
    assert plot_weights_over_training([[1.0, 2.0]], ax=ax) == (fig, ax)
