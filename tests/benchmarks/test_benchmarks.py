"""The benchmark runs and writes what it says; how long anything takes is judged nowhere."""

import csv
import subprocess
import sys


def benchmarks(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_run_writes_tables_and_plots(tmp_path):
    run = benchmarks("small", "softmax", "growth", "ranks", "--scale", 0.001, "--seconds", 0.01, "--out", tmp_path)
    assert run.returncode == 0, run.stderr
    (table,) = tmp_path.glob("*.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    candidates = {row["candidate"] for row in rows}
    assert {"GHM-C, each rank alone", "all-reduce of 30 numbers"} <= candidates
    assert {"GHM-C", "GHM-C, exact", "GHM-R", "GHM-C, softmax", "mmdet GHMC", "cross_entropy"} <= candidates
    assert all(float(row["p20_ms"]) <= float(row["p50_ms"]) <= float(row["p80_ms"]) for row in rows)
    assert all(row["device"] and row["torch"] and row["threads"] for row in rows)
    assert any(row["extra_mib"] for row in rows)
    (text,) = tmp_path.glob("*.md")
    command = "`python -m benchmarks small softmax growth ranks --seconds 0.01 --scale 0.001`"  # without the folder
    assert command in text.read_text()
    assert len(list(tmp_path.glob("*-numbers.svg"))) == 1


def test_says_what_is_wrong(tmp_path):
    for arguments, says in (
        (["fast"], "unknown benchmark 'fast': expected retinanet"),
        (["--threads", 0], "expected at least 1, but got 0"),
    ):
        run = benchmarks(*arguments, "--out", tmp_path)
        assert run.returncode == 2
        assert says in run.stderr
    assert not list(tmp_path.iterdir())
