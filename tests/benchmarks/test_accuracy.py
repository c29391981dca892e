"""The table over several comparisons, against numbers worked out by hand."""

import json

import pytest
from benchmarks.accuracy.__main__ import over_data_sets, table
from benchmarks.accuracy.figures import draw_curves, draw_differences, draw_losses
from benchmarks.accuracy.sets import joined, read_comparison


def write(folder, methods, seeds=(0, 1)):
    """Write a comparison as `torchghm compare` does: AP by method and seed, and AP by epoch in each run."""
    described = []
    for name, values in methods.items():
        runs = {str(seed): f"runs/{name}/seed-{seed}" for seed in seeds}
        for run, value in zip(runs.values(), values, strict=True):
            (folder / run).mkdir(parents=True)
            rows = f"epoch,val/ap\n0,{value / 2}\n1,\n2,{value}\n"
            (folder / run / "metrics.csv").write_text(rows)
        described.append({"name": name, "runs": runs, "values": {"ap": values}})
    (folder / "comparison.json").write_text(json.dumps({"baseline": "focal+smooth_l1", "methods": described}))
    return folder


@pytest.fixture
def sets(tmp_path):
    first = write(tmp_path / "a", {"focal+smooth_l1": [0.30, 0.20], "ghmc+smooth_l1": [0.32, 0.26]})
    second = write(tmp_path / "b", {"focal+smooth_l1": [0.10, 0.10], "ghmc+smooth_l1": [0.12, 0.08]})
    return [read_comparison("cells", first), read_comparison("boards", second)]


def test_difference_is_paired_and_averaged_over_the_data_sets(sets):
    assert sets[0].against_baseline("ghmc+smooth_l1") == pytest.approx({0: 2, 1: 6})
    assert over_data_sets(sets, "ghmc+smooth_l1") == pytest.approx([2, 2])
    text = table(sets)
    # d = 2, 6: mean 4, sd 2.828, t of one degree of freedom 12.706
    assert "| cells | 2 | 25.0 | 29.0, +4.0 [-21.4, +29.4] |" in text
    assert "| mean of the data sets |  |  | +2.0 [+2.0, +2.0] |" in text
    assert "| worst single run |  |  | -2.0 |" in text


def test_curves_leave_out_epochs_without_an_evaluation(sets):
    assert sets[0].curves["ghmc+smooth_l1"] == pytest.approx([14.5, 29.0])


def test_pictures_have_a_row_or_panel_for_each_data_set(sets):
    rows = draw_differences(sets).axes[0].get_yticklabels()
    assert [label.get_text().split(":")[0] for label in rows] == ["cells", "boards"]
    assert [ax.get_title() for ax in draw_curves(sets).axes] == ["cells", "boards"]


def test_comparisons_of_one_data_set_are_joined(sets, tmp_path):
    more = write(tmp_path / "more", {"ce+smooth_l1": [0.1, 0.3], "ghmc+smooth_l1": [0.5, 0.5]}, seeds=(1, 2))
    both, boards = joined([*sets, read_comparison("cells", more)])
    assert both.baseline == "focal+smooth_l1"
    assert both.ap["ghmc+smooth_l1"] == pytest.approx({0: 32, 1: 26, 2: 50})  # a run that both have is the first one's
    assert both.ap["ce+smooth_l1"] == pytest.approx({1: 10, 2: 30})
    assert boards == sets[1]
    figure = draw_losses([both, boards])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "GHM-C + smooth L1",
        "focal + smooth L1",
        "CE + smooth L1",
    ]
    assert [len(panel.lines) for panel in figure.axes] == [6, 4]  # an interval and a mean for each loss that was run


def test_a_folder_without_a_comparison_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Expected .* to hold a comparison"):
        read_comparison("cells", tmp_path)
