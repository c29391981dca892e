from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from torchghm.report.figures import palette


def luminance(value: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = np.array([int(value[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", sorted(set(palette.PALETTE) - {"rule", "crowd"}))
@pytest.mark.parametrize(("column", "ground"), [(0, "#ffffff"), (1, "#181d24")])
def test_lines_and_text_can_be_seen(name: str, column: int, ground: str):
    light, dark = sorted((luminance(palette.PALETTE[name][column]), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= (4.5 if name in ("ink", "muted") else 3.0)


def test_light_colours_differ_so_that_the_page_can_replace_them():
    assert len({light for light, _ in palette.PALETTE.values()}) == len(palette.PALETTE)


def test_each_loss_has_its_colour_everywhere():
    assert palette.method_colors(["ghmc+ghmr", "ghmc + smooth_l1", "mine+smooth_l1", "sce", "yours"]) == {
        "ghmc+ghmr": "ghmc",
        "ghmc + smooth_l1": "ghmc",
        "mine+smooth_l1": "other1",
        "sce": "other2",
        "yours": "other3",
    }


def test_methods_with_one_classification_loss_differ_in_dash():
    assert palette.method_dash("ghmc+smooth_l1") != palette.method_dash("ghmc+ghmr")


def test_variants_of_one_method_differ_in_colour():
    names = [f"ghmc+smooth_l1@bins={bins}" for bins in (1, 5, 10, 20, 30, 40)]
    colors = palette.method_colors(["ghmc+smooth_l1", *names])
    assert len(set(colors.values())) == 7
    assert palette.method_label(names[1]) == "GHM-C + smooth L1, bins=5"
    assert palette.method_dash(names[0]) == palette.method_dash("ghmc+smooth_l1")


def test_labels():
    assert palette.method_label("ghmc + ghmr") == "GHM-C + GHM-R"
    assert palette.method_label("eqlv2+smooth_l1") == "EQL v2 + smooth L1"
    assert palette.method_label("mine+smooth_l1") == "mine + smooth L1"


@pytest.mark.parametrize("text", ["$\\frac{", "$x$", "a $ b $ c", "\\$5", "_x", "y" * 99])
def test_any_name_can_be_drawn_as_it_is(text: str):
    fig = Figure()
    drawn = fig.text(0, 0, palette.literal(text))
    fig.draw_without_rendering()
    shown, is_math = drawn._preprocess_math(drawn.get_text())
    assert not is_math
    assert shown.strip("\u200a") == (text if len(text) <= 40 else "y" * 39 + "…")


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.5, 3e7), {"1", "100", "10⁴", "10⁶"}),
        ((1e-6, 1.0), {"10⁻⁶", "10⁻⁴", "0.01", "1"}),
        ((0.02, 0.06), {"0.02", "0.05"}),
    ],
)
def test_a_logarithmic_axis_has_plain_labels(limits: tuple[float, float], labels: set[str]):
    ax = Figure().add_subplot()
    ax.set_ylim(*limits)
    palette.log_axis(ax)
    shown = {
        label.get_text()
        for tick, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
        if limits[0] <= tick <= limits[1]
    }
    assert labels <= shown


def test_a_removed_axes_is_refused():
    ax = Figure().add_subplot()
    ax.remove()
    with pytest.raises(ValueError, match="`ax` to belong to a figure"):
        palette.axes_for(ax)
