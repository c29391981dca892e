"""A picture of each peer: its figures beside torchghm's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

PANELS = {"AUROC": 0, "average precision": 1, "precision at k": 2}
"""Places among the figures."""


def draw_peers(found: dict[tuple[str, float], dict[str, list[float]]], ours: str, table: Path) -> list[Path]:
    """Write an SVG for each peer beside a table.

    Arguments:
        found: figures of each method, by data set and rate.
        ours: the method that peers are drawn beside.
        table: file of the table; a picture's name is its stem and the peer's name.
    """
    peers = dict.fromkeys(method.split(", thresholds")[0] for rows in found.values() for method in rows)
    return [_draw(found, ours, peer, table) for peer in peers if not peer.startswith("torchghm")]


def _draw(found: dict[tuple[str, float], dict[str, list[float]]], ours: str, peer: str, table: Path) -> Path:
    figure = Figure(figsize=(9, 1.2 + 0.35 * len(found)), layout="constrained")
    at = np.arange(len(found))
    for panel, (title, place) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        for method, colour, shift in ((ours, "#0072b2", -0.2), (peer, "#d55e00", 0.2)):
            values = [rows[method][place] if method in rows else np.nan for rows in found.values()]
            panel.barh(at + shift, values, height=0.38, color=colour, label=method)
        panel.set(title=title, xlim=(0, 1), yticks=at, yticklabels=[f"{n}, {100 * r:.0f} %" for n, r in found])
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    name = re.sub(r"\W+", "-", peer.replace("'s", "")).strip("-").lower()
    file = table.with_name(f"{table.stem}-{name}.svg")
    figure.savefig(file, metadata={"Date": None})
    return file
