"""Findings above a score, accepted without a person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.review.decisions import main

from torchghm.review import verdict
from torchghm.review.correcting import read_decisions


def test_what_is_surely_wrong_is_accepted_by_the_weights_of_another_set(
    noisy_sets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("OBJECTS_WITHOUT", "PLACES_WITHOUT"):  # put back after the test
        monkeypatch.setattr(verdict, name, getattr(verdict, name))
    runs, _, data = noisy_sets[0].partition("=")[2].rpartition(":")
    out = tmp_path / "decisions.json"
    main([f"{runs}/seed-0:{data}", "0.5", str(out), *noisy_sets[2:]])
    decisions = read_decisions(out)
    assert {decision["decision"] for decision in decisions} == {"accept"}
    assert all(decision["score"] >= 0.5 for decision in decisions)
    assert {decision["annotation"] for decision in decisions if decision["kind"] != "missing"} == {1, 10, 20}
    assert "wrong class: 1 where class" in capsys.readouterr().out
    assert json.loads(out.read_text())["torchghm_review"] == 1
