from __future__ import annotations

import csv

import pytest
from scipy import stats
from tests.training.comparison.fake_train import AP, CE, RECIPE, FakeTrain, table

from torchghm.report import read_comparison
from torchghm.training.comparison.table import terminal_table
from torchghm.training.recipes.recipe import Recipe


def test_table(call, data, tmp_path):
    out = call(FakeTrain(), baseline="ghmc+ghmr", command="torchghm compare --data tiny")
    assert out == tmp_path / "out"
    comparison = table(out)
    assert [comparison[key] for key in ("data", "split", "seeds", "baseline", "metrics")] == [
        str(data), "val", [0, 1, 2], "ghmc+ghmr", ["ap", "ap50", "ap75"],
    ]  # fmt: skip
    ce, focal, ghm = comparison["methods"]
    assert [method["name"] for method in (ce, focal, ghm)] == ["ce+smooth_l1", "focal+smooth_l1", "ghmc+ghmr"]
    assert focal["values"]["ap"] == AP["focal+smooth_l1"]
    assert focal["runs"]["1"] == "runs/focal+smooth_l1/seed-1"
    assert focal["mean"]["ap"] == pytest.approx(0.5)
    assert focal["std"]["ap"] == pytest.approx(0.03)
    assert ghm["difference"] is None
    interval = stats.ttest_rel(AP["focal+smooth_l1"], AP["ghmc+ghmr"]).confidence_interval()
    assert focal["difference"]["ap"] == pytest.approx({"mean": 0.29 / 3, "low": interval.low, "high": interval.high})
    assert focal["difference"]["ap_small"] == {"mean": None, "low": None, "high": None}

    text = (out / "comparison.md").read_text()
    assert "| focal+smooth_l1 | 50.0 ± 3.0 | 75.0 ± 4.5 | 45.0 ± 2.7 |" in text
    assert f"| focal+smooth_l1 | +9.67 [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}] better |" in text
    assert "| ce+smooth_l1 | -0.33 [-5.50, +4.84] no difference shown |" in text
    for part in (str(data), "Split: val", "2 epochs, 1,500 steps", "Seeds: 0, 1, 2", "torchghm 0.1.0, device cpu"):
        assert part in text
    assert "    torchghm compare --data tiny\n" in text
    assert "runs are finished" not in text

    with (out / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 6
    assert rows[6] | {"mean": "", "low": "", "high": "", "std": "", "difference": ""} == {
        "method": "focal+smooth_l1", "cls": "focal", "box": "smooth_l1", "metric": "ap", "seeds": "3", "mean": "",
        "std": "", "difference": "", "low": "", "high": "", "verdict": "better",
    }  # fmt: skip
    assert float(rows[6]["low"]) == pytest.approx(interval.low)
    assert rows[12]["difference"] == rows[12]["verdict"] == ""

    read = read_comparison(out)  # what the page is made of
    assert [method.difference["ap"].verdict for method in read.methods[:2]] == ["no difference shown", "better"]
    assert read.methods[2].runs[2].metrics["ap"] == 0.39


def test_terminal_table(call):
    from rich.console import Console

    console = Console(width=120)
    with console.capture() as captured:
        console.print(terminal_table(table(call(FakeTrain()))))
    text = captured.get()
    assert "50.0 ± 3.0" in text
    assert "+10.00 [" in text
    assert "baseline" in text


def test_one_seed_gives_no_interval(call):
    out = call(FakeTrain(), seeds=[1])
    ghm = table(out)["methods"][2]
    assert ghm["std"]["ap"] is None
    assert ghm["difference"]["ap"] == {"mean": pytest.approx(-0.02), "low": None, "high": None}
    assert "| ghmc+ghmr | -2.00 one seed: no interval |" in (out / "comparison.md").read_text()
    assert read_comparison(out).seeds == (1,)


def test_without_a_command_the_call_is_stated(call, data):
    text = (call(FakeTrain(), seeds=[0], methods=[CE]) / "comparison.md").read_text()
    block = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
    stated = {}
    eval("\n".join(block), {"Recipe": Recipe, "compare": lambda *args, **named: stated.update(named, data=args[0])})
    assert stated["recipe"] == RECIPE
    assert (stated["data"], stated["methods"], stated["seeds"]) == (
        str(data),
        {"ce+smooth_l1": {"loss.cls": "ce", "loss.box": "smooth_l1"}},
        [0],
    )


@pytest.mark.parametrize(
    ("finished", "seeds", "methods"),
    [(1, [0], 1), (2, [0], 2), (3, [0], 3), (5, [0], 3), (6, [0, 1], 3), (8, [0, 1], 3)],
)
def test_a_partial_table_has_equal_seeds(call, tmp_path, finished, seeds, methods):
    with pytest.raises(KeyboardInterrupt):
        call(FakeTrain(fails_at=finished + 1))
    out = tmp_path / "out"
    comparison = table(out)
    assert comparison["seeds"] == seeds
    assert len(comparison["methods"]) == methods
    assert all(len(method["values"]["ap"]) == len(seeds) for method in comparison["methods"])
    assert f"{finished} of 9 runs are finished" in (out / "comparison.md").read_text()
    assert "runs are finished" in terminal_table(comparison).caption.plain
    assert read_comparison(out).seeds == tuple(seeds)
