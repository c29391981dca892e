from __future__ import annotations

import dataclasses

import pytest
from tests.results.synthetic_folders import write_comparison

from torchghm.report.result_table import duration, lead, more_seeds, score, table_rows
from torchghm.results.comparison import read_comparison

METHODS = ("ce+smooth_l1", "focal+smooth_l1", "ghmc+ghmr")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table") / "comparison"
    return read_comparison(write_comparison(folder, methods=METHODS, gains=(0, 0.06, -0.05), epochs=1))


def test_rows_are_the_methods_with_differences_beside_the_baseline(comparison):
    rows = table_rows(comparison)
    assert [row.label for row in rows] == ["CE + smooth L1", "focal + smooth L1", "GHM-C + GHM-R"]
    assert [row.is_baseline for row in rows] == [True, False, False]
    assert len({row.color for row in rows}) == 3
    baseline, focal, ghm = (row.cells[0] for row in rows)
    method = comparison.methods[1]
    assert baseline.difference == baseline.verdict == ""
    assert focal.value == f"{100 * method.mean['ap']:.1f} ± {100 * method.std['ap']:.1f}"
    assert (focal.verdict, ghm.verdict) == ("better", "worse")
    assert focal.difference.startswith("+6.0 [")
    assert ghm.difference.startswith("−5.0 [")  # a minus sign, no hyphen


def test_the_lead_names_each_verdict_once(comparison):
    assert lead(comparison) == (
        "Compared with CE + smooth L1 in AP over 2 seeds (95% intervals): focal + smooth L1 is better; "
        "GHM-C + GHM-R is worse."
    )
    alone = dataclasses.replace(comparison, methods=comparison.methods[:1])
    assert lead(alone) == "There is nothing to compare with CE + smooth L1."


def test_times_and_scores(comparison):
    runs = comparison.methods[0].runs
    timed = [dataclasses.replace(runs[0], seconds=seconds) for seconds in (30.0, 50.0, None, 200.0)]
    assert duration(tuple(timed[:3])) == "40 s"
    assert duration((timed[3],)) == "3.3 min"
    assert duration((timed[2],)) == ""
    assert (score(0.12345), score(None)) == ("12.3", "–")


def test_more_seeds_keep_the_runs_that_there_are(comparison):
    def command(made_by):
        return more_seeds(dataclasses.replace(comparison, command=made_by))

    assert command("torchghm compare --overwrite --data d --seeds 1") == "torchghm compare --data d --seeds 5"
    assert command("torchghm compare --seeds=1 --data d --overwrite") == "torchghm compare --data d --seeds 5"
    assert command("compare(...)") == ""
