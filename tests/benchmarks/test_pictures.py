"""Recorded comparisons are read back as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.accuracy.pictures import draw, read_differences

RECORDED = Path(__file__).parents[2] / "benchmarks" / "results" / "accuracy"


def test_a_recorded_comparison() -> None:
    differences = read_differences(RECORDED / "2026-11-25-scenes20.md")
    assert differences.baseline == "focal+smooth_l1"
    assert differences.by_metric["AP"] == {
        "ghmc+smooth_l1": (8.26, 5.43, 11.09),
        "ce+smooth_l1": (2.09, -0.86, 5.05),
    }
    assert [panel.get_xlabel().split(",")[0] for panel in draw(differences).axes] == [
        "difference in AP",
        "difference in AP50",
        "difference in AP75",
    ]


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    table = tmp_path / "comparison.md"
    table.write_text(
        "Difference to ce+smooth_l1, paired by seed, with its 95 % interval (Student's t):\n\n"
        "| method | AP |\n| --- | --- |\n| ghmc+ghmr | -1.08 one seed: no interval |\n\n- Data: x\n",
        encoding="utf-8",
    )
    assert read_differences(table).by_metric == {"AP": {"ghmc+ghmr": (-1.08, None, None)}}


def test_another_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"causes\.md: expected a comparison's table"):
        read_differences(RECORDED / "2026-11-25-causes.md")
