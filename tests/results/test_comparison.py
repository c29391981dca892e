from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from torchghm.results.comparison import read_comparison
from torchghm.results.difference import Difference


def test_everything_is_read(comparison_folder: Path):
    comparison = read_comparison(comparison_folder)
    assert [method.name for method in comparison.methods] == ["ce+smooth_l1", "focal+smooth_l1", "ghmc+ghmr"]
    assert (comparison.baseline, comparison.seeds, comparison.split) == ("ce+smooth_l1", (0, 1), "test")
    assert comparison.methods[0].difference == {}
    assert comparison.methods[1].difference["ap"] == Difference(0.06, 0.04, 0.08)
    assert [run.seed for run in comparison.methods[2].runs] == [0, 1]


def test_no_comparison(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"comparison\.json"):
        read_comparison(tmp_path)


def test_a_run_that_is_gone_is_named(comparison_folder: Path):
    shutil.rmtree(comparison_folder / "runs/ghmc+ghmr/seed-1")
    with pytest.raises(FileNotFoundError, match=r"ghmc\+ghmr/seed-1/results\.json"):
        read_comparison(comparison_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": "other"}, "`baseline` in .* one of the different methods .* but got 'other'"),
        ({"methods": []}, "at least one method"),
        ({"seeds": []}, "at least one method, metric and seed"),
        ({"metrics": "ap"}, "`metrics` in .*comparison.json to be a list"),
        ({"methods": [{"name": "a", "runs": {"0": "../elsewhere"}}]}, r"methods\[0\].runs.0` in .* inside the folder"),
        ({"methods": [{"name": "a"}]}, r"methods\[0\].runs` in .* seeds and run folders"),
    ],
)
def test_a_malformed_comparison_names_the_field(comparison_folder: Path, change: dict[str, object], message: str):
    path = comparison_folder / "comparison.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        read_comparison(comparison_folder)


def test_an_interval_without_its_mean_is_refused(comparison_folder: Path):
    path = comparison_folder / "comparison.json"
    table = json.loads(path.read_text())
    table["methods"][1]["difference"]["ap"] = {"mean": 0.5, "low": 0.1, "high": 0.2}
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError, match=r"methods\[1\].difference.ap` in .* a mean within its interval"):
        read_comparison(comparison_folder)
