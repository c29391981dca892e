from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from tests.report.conftest import HOSTILE

from torchghm.report.figures.palette import color, literal
from torchghm.report.inline_svg import inline_svg


@pytest.fixture(scope="module")
def markup() -> str:
    fig = Figure(figsize=(3, 3))
    ax = fig.add_subplot()
    for name in HOSTILE:
        ax.plot([0, 1], [0, 1], marker="o", color=color("ghmc"), label=literal(name))
    ax.legend()
    ax.imshow(np.random.default_rng(0).random((200, 200, 3)), interpolation="none", gid="photograph-0")
    ax.set_title(literal(HOSTILE[0]), color=color("ink"))
    return str(inline_svg(fig, '"><b>', "one"))


def test_names_are_text_and_nothing_else(markup: str):
    assert not re.search(r"<script|<img|<b>|onerror=\"|<!--", markup)
    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(markup).iter("text")]
    for name in HOSTILE:
        assert any(name in text for text in texts), name


def test_nothing_that_a_strict_policy_blocks(markup: str):
    assert " style=" not in markup
    assert "<style" not in markup
    assert "http" not in markup


def test_palette_colours_are_variables(markup: str):
    assert color("ghmc") not in markup
    assert 'stroke="var(--ghmc)"' in markup
    assert 'fill="var(--ink)"' in markup


def test_ids_are_prefixed_and_references_resolve(markup: str):
    root = ElementTree.fromstring(markup)
    ids = {element.get("id") for element in root.iter()} - {None}
    assert all(name.startswith("one-") for name in ids)
    links = [element.get("href", "") for element in root.iter() if element.get("href", "").startswith("#")]
    clips = re.findall(r"url\(#([^)]+)\)", markup)
    assert links
    assert clips
    assert {link[1:] for link in links} | set(clips) <= ids


def test_a_photograph_is_stored_as_jpeg_and_may_be_smoothed(markup: str):
    assert 'href="data:image/jpeg;base64,' in markup
    assert "image-rendering" not in markup


def test_a_heat_map_keeps_its_cells():
    fig = Figure()
    fig.add_subplot().imshow(np.random.default_rng(0).random((300, 300)), interpolation="none")
    markup = inline_svg(fig, "", "x")
    assert 'href="data:image/png;base64,' in markup
    assert "image-rendering" in markup
