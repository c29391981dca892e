"""The benchmark's tables from run folders, on made up runs of two tiny data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.review.__main__ import OURS, SHIPPED, main, means_of_sets
from benchmarks.review.cases import Case, fit, predicted, read

from benchmarks.review import cases as review_cases

SWAPPED, MOVED, SPURIOUS = 1, 10, 20
"""Labels that are wrong in a noisy set."""


def test_the_tables_have_a_row_for_each_method(
    noisy_sets: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *fitted, judged = noisy_sets
    main([*fitted, "--judge", judged, "--out", str(tmp_path / "table.md")])
    text = capsys.readouterr().out
    assert (tmp_path / "table.md").read_text() == text
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| first")]
    of_figures, of_certainty = rows[:6], rows[6:]
    assert [row[1].split(", thresholds")[0] for row in of_figures] == [
        OURS, SHIPPED, "final score", "FiftyOne's mistakenness", "ObjectLab", "ObjectLab",
    ]  # fmt: skip
    assert [row[0] for row in of_certainty] == ["first, 10 %"] * 2 + ["first, 0 %"] * 2
    assert [row[-1] for row in of_certainty] == ["2", "2", "1", "1"], "runs"
    assert "OBJECTS_WITHOUT = [[" in text
    assert {file.name for file in tmp_path.glob("*.svg")} == {
        f"table-{peer}.svg" for peer in ("final-score", "fiftyone-mistakenness", "objectlab")
    }


def test_the_mean_of_the_sets_is_of_those_with_the_same_rate():
    found = {
        ("a", 0.2): {OURS: [0.6, 0.5], "ObjectLab, thresholds 0.5, 0.1": [0.2, 0.1]},
        ("b", 0.2): {OURS: [0.8, 0.1], "ObjectLab, thresholds 0.1, 0.2": [0.4, 0.5]},
        ("a", 0.4): {OURS: [0.1, 0.1]},
    }
    (key, rows), *others = means_of_sets(found).items()
    assert not others
    assert key == ("mean of 2 sets", 0.2)
    assert {name: pytest.approx(numbers) for name, numbers in rows.items()} == {
        OURS: [0.7, 0.3],
        "ObjectLab, thresholds best for each set": [0.3, 0.3],
    }


def read_sets(noisy_sets: list[str]) -> list[Case]:
    return [
        read(name, Path(runs), Path(data))
        for name, runs, data in ((text.partition("=")[0], *text.partition("=")[2].split(":")) for text in noisy_sets)
    ]


def test_weights_of_another_set_find_the_errors_and_leave_a_clean_set_alone(noisy_sets: list[str]) -> None:
    noisy, clean, *others = read_sets(noisy_sets)
    models = fit(others)
    found = predicted(models, noisy)
    assert set(np.argsort(-found.total)[:3]) == {SWAPPED, MOVED, SPURIOUS}
    assert [int(np.argmax(kind)) for kind in found.by_kind] == [SWAPPED, MOVED, SPURIOUS]
    assert found.places is not None
    known = np.where(noisy.truth.places >= 0, found.places, -1)
    assert noisy.truth.places[known.argmax()] == 1
    assert predicted(models, clean).total.max() < 0.5
    assert clean.rate == 0
    assert not clean.peers


def test_a_cache_is_read_instead_of_the_run(
    noisy_sets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, _, data = noisy_sets[0].partition("=")[2].rpartition(":")
    first = read("first", Path(runs), Path(data), tmp_path / "cache")
    monkeypatch.setattr(review_cases, "labels_and_detections", lambda run, data: pytest.fail("the run was read again"))
    again = read("first", Path(runs), Path(data), tmp_path / "cache")
    assert np.array_equal(first.objects, again.objects)
    assert list(first.peers) == list(again.peers)
