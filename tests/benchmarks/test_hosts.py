"""The benchmarks of hosts: steps in turns, and paired tables."""

from __future__ import annotations

from benchmarks.hosts.__main__ import process_times
from benchmarks.hosts.paired_table import paired_table


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
