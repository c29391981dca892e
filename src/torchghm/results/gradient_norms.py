"""`gradient_norms.npz` of a run, read and checked (docs/run-folder.md)."""

from __future__ import annotations

import math
import zipfile
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import numpy as np

from torchghm.results.arrays import Array


@dataclass(frozen=True)
class GradientNorms:
    """Counts of the trained model's gradient norms, and the settings of the losses (nan where a run has none)."""

    cls_positive: Array
    cls_negative: Array
    box_residual_edges: Array
    box_residual_counts: Array
    bins_cls: float
    bins_box: float
    mu: float
    focal_gamma: float
    focal_alpha: float
    # Files may lack these; nan draws the defaults.
    cls_max_weight: float = math.nan  # inf for no cap
    cls_by_regions: float = math.nan  # 1 where `normalize="regions"`
    cls_by_positives: float = math.nan  # 1 where `normalize="positives"`
    cls_exact: float = math.nan  # 1 where `density="exact"`
    box_max_weight: float = math.nan
    box_by_regions: float = math.nan
    box_exact: float = math.nan
    delta: float = math.nan  # of smooth L1


_LOWEST = {
    "bins_cls": (1, False),
    "bins_box": (1, False),
    "mu": (0, True),
    "focal_gamma": (0, False),
    "focal_alpha": (0, False),
    "delta": (0, False),
    "cls_max_weight": (0, True),
    "box_max_weight": (0, True),
}
"""Lowest value of each setting, and whether it has to be above that; nan stands for no setting."""


def read_gradient_norms(path: Path) -> GradientNorms | None:
    """Return the contents of ``gradient_norms.npz``, None where there is no such file.

    Raises:
        ValueError: a malformed file; the message names it.
    """
    if not path.is_file():
        return None
    names = tuple(f.name for f in fields(GradientNorms) if f.default is MISSING)
    try:
        with np.load(path, allow_pickle=False) as stored:
            options = [f.name for f in fields(GradientNorms) if f.default is not MISSING and f.name in stored]
            arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in (*names, *options)}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"Expected {path} to hold the arrays {', '.join(names)}, but got: {error}") from error
    for name in names[:4]:
        array = arrays[name]
        if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(
                f"Expected `{name}` in {path} to be a list of finite numbers of at least 0, but got shape {array.shape}"
            )
    edges, counts = arrays["box_residual_edges"], arrays["box_residual_counts"]
    if edges.size != counts.size + 1 or not (np.diff(edges) > 0).all():
        raise ValueError(
            f"Expected `box_residual_edges` in {path} to be {counts.size + 1} ascending numbers, but got {edges.size}"
        )
    if arrays["cls_positive"].size != arrays["cls_negative"].size:
        raise ValueError(f"Expected `cls_positive` and `cls_negative` in {path} to be of one length")
    if any(array.size != 1 for name, array in arrays.items() if name not in names[:4]):
        raise ValueError(f"Expected {', '.join([*names[4:], *options])} in {path} to be single numbers")
    for name, array in arrays.items():
        lowest, above = _LOWEST.get(name, (-math.inf, False))
        if array.size == 1 and (array.item() < lowest or (above and array.item() == lowest)):
            expected = f"{'above' if above else 'at least'} {lowest:g}"
            raise ValueError(f"Expected `{name}` in {path} to be {expected}, but got {array.item():g}")
    return GradientNorms(**{n: a if n in names[:4] else a.item() for n, a in arrays.items()})  # type: ignore[arg-type]
