"""The page's unit: a section with a heading, a caption that says what to look at, and figures side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torchghm.report.figures.palette import method_colors, method_label
from torchghm.report.inline_svg import inline_svg
from torchghm.results.run import Run

# What a page is about: method (`ghmc+ghmr`) -> its runs by seed. A run's page has one method with one run.
Methods = Mapping[str, tuple[Run, ...]]
# A figure and a line of numbers to go below it.
Drawn = tuple[tuple[Figure, Axes], str]


@dataclass(frozen=True)
class Tile:
    """A figure's markup; `title` and `color` (a palette entry) of its method; a line of numbers below it."""

    svg: Markup
    title: str = ""
    color: str = ""
    note: str = ""


Group = tuple[str, list[Tile]]


@dataclass(frozen=True)
class Table:
    """Column headings, and rows of texts of which the first names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading, a caption, groups of figures, each with a heading or none (""), and below them a table or none."""

    id: str
    title: str
    caption: str
    groups: list[Group]
    table: Table | None = None


def section(section_id: str, words: tuple[str, str], *groups: Group, table: Table | None = None) -> Section | None:
    """Return a section of the groups that have figures; None if none has."""
    filled = [(heading, tiles) for heading, tiles in groups if tiles]
    return Section(section_id, *words, filled, table) if filled else None


def tiles_by_method(methods: Methods, prefix: str, label: str, draw: Callable[[Run], Drawn | None]) -> list[Tile]:
    """Return a tile for each method, of its first seed's run.

    Arguments:
        methods: the page's methods.
        prefix: unique on the page, for the ids in the figures.
        label: what the pictures are, for screen readers.
        draw: a run -> its figure and a line of numbers, or None where the run lacks the data.
    """
    colors = method_colors(methods)
    tiles = []
    for index, (method, runs) in enumerate(methods.items()):
        if (drawn := draw(runs[0])) is not None:
            figure, note = drawn
            # On a run's page every figure is of the same method: its name above each would be noise.
            title = method_label(method) if len(methods) > 1 else ""
            svg = inline_svg(figure[0], f"{label}, {title}" if title else label, f"{prefix}-{index}")
            tiles.append(Tile(svg, title, colors[method], note))
    return tiles
