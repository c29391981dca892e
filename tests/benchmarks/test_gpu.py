"""The script for a GPU, on a CPU: every part runs, what passed is not run again, what fails is said."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu import _apart
from benchmarks.gpu_parts import Size, parts

ROOT = Path(__file__).parents[2]
DRY = Size("cpu", 2e-5, 0.02, 2)


def dry_run(out: Path) -> list[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.gpu", "--dry", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_every_part_passes_and_the_script_goes_on_where_it_was_stopped(tmp_path):
    names = [name for name, _ in parts(DRY)]
    lines = dry_run(tmp_path)
    assert [line.split(": ")[:2] for line in lines[1:-1]] == [[name, "passed"] for name in names]
    (state,) = tmp_path.glob("*-gpu-dry.json")
    done = json.loads(state.read_text())
    del done["torch.compile"]
    state.write_text(json.dumps({**done, "values": "kept from before"}))
    again = dry_run(tmp_path)
    assert again[1] == "values: passed: kept from before"
    assert [line.split(": ")[1] for line in again[1:-1]] == ["passed"] * len(names)
    assert (tmp_path / state.name.replace(".json", ".md")).read_text().count(": passed: ") == len(names)


def wrong(size: Size) -> str:
    raise AssertionError("not the same\nby far")


def slow(size: Size) -> str:
    import time

    time.sleep(60)
    return "late"


def broken(size: Size) -> str:
    os._exit(3)


def test_a_part_that_fails_hangs_or_dies_is_a_line():
    assert _apart(wrong, DRY, 60) == (False, "AssertionError: not the same")
    assert _apart(slow, DRY, 0.2) == (False, "stopped after 0 s")
    assert _apart(broken, DRY, 60) == (False, "the process ended with 3")
    assert _apart(slow, DRY, -1) == (False, "no time was left: the same command goes on here")
