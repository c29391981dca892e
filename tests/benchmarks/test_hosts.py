"""The benchmarks of hosts: steps in turns, and paired tables."""

from __future__ import annotations

import pytest
from benchmarks.hosts.comparison import arguments_of, compare
from benchmarks.hosts.paired_table import paired_table
from benchmarks.speed.measure import process_times


def test_steps_are_timed_in_turns():
    seen: list[str] = []
    times = process_times({"own": lambda: seen.append("own"), "GHM": lambda: seen.append("GHM")}, seconds=0)
    assert seen == ["own", "GHM"] * 2 + ["own", "GHM", "GHM", "own"] * 2 + ["own", "GHM"]
    assert {name: len(values) for name, values in times.items()} == {"own": 5, "GHM": 5}
    assert min(times["own"]) >= 0


def test_differences_are_seed_by_seed():
    scores = {"own": [{"AP": 10.0}, {"AP": 30.0}], "GHM-C": [{"AP": 11.0}, {"AP": 33.0}]}
    head, _, own, ours = paired_table(scores)
    assert head == "| loss | AP | against own |"
    assert own.startswith("| own | 20.0 ± 14.1 |")
    assert ours.startswith("| GHM-C | 22.0 ± 15.6 | +2.0 [")


def test_a_comparison_is_recorded(tmp_path, monkeypatch, capsys):
    trained = []

    def train(folder, method, seed, options):
        trained.append((folder.name, method, seed))
        return {"AP": 10.0 * seed + (method == "GHM-C") * options.gain}

    parser = arguments_of("benchmarks.hosts.none", None, ["own", "GHM-C", "another"])
    parser.add_argument("--gain", type=float, default=2.0)
    record = tmp_path / "record.md"
    command = ["none", "cells=some/cells", "--seeds", "2", "--gain", "3", "--out", str(record)]
    monkeypatch.setattr("sys.argv", command)
    compare("A host", "gain {gain}", parser, train)
    assert trained == [("cells", method, seed) for seed in (0, 1) for method in ("own", "GHM-C")]
    text = record.read_text()
    assert text.startswith("# A host\n\n`python -m benchmarks.hosts.none cells=some/cells --seeds 2")
    assert "gain 3.0, 2 seeds" in text
    assert "| GHM-C | 8.0 ± 7.1 | +3.0 [+3.0, +3.0] |" in text
    assert text in capsys.readouterr().out


def test_a_data_set_needs_a_name(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["none", "cells"])
    with pytest.raises(SystemExit):
        compare("A host", "", arguments_of("benchmarks.hosts.none", None, ["own"]), lambda *_: {})
    assert "expected NAME=FOLDER, but got 'cells'" in capsys.readouterr().err
