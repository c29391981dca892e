from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torchghm.results.run import read_run


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cls_max_weight", 0.0, "above 0"),
        ("delta", -1.0, "at least 0"),
        ("bins_cls", 0.0, "at least 1"),
        ("mu", 0.0, "above 0"),
    ],
)
def test_a_setting_out_of_range_names_the_file_and_itself(run_folder: Path, name: str, value: float, expected: str):
    with np.load(run_folder / "gradient_norms.npz") as stored:
        arrays = {**stored, name: np.float64(value)}
    np.savez(run_folder / "gradient_norms.npz", **arrays)
    with pytest.raises(ValueError, match=f"`{name}` in .*gradient_norms.npz to be {expected}, but got {value:g}"):
        read_run(run_folder)


@pytest.mark.parametrize(
    ("array", "value", "message"),
    [
        ("cls_positive", np.array([-1.0]), "`cls_positive` in .* at least 0"),
        ("cls_negative", np.array([[1.0]]), "`cls_negative` in .*shape"),
        ("cls_negative", np.ones(7), "of one length"),
        ("box_residual_edges", np.zeros(1001), "1001 ascending numbers"),
        ("mu", np.ones(2), "single numbers"),
        ("mu", np.array(["x"]), "gradient_norms.npz to hold"),
        ("mu", np.array([{}], dtype=object), "gradient_norms.npz to hold"),  # a pickle must never be loaded
    ],
)
def test_malformed_gradient_norms(run_folder: Path, array: str, value: np.ndarray, message: str):
    path = run_folder / "gradient_norms.npz"
    with np.load(path) as stored:
        arrays = {**stored, array: value}
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        read_run(run_folder)
