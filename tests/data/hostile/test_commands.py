"""Broken data on the command line: one clear line or a table, an exit code, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.hostile.image_cases import BROKEN
from tests.training.tiny import TINY, write_tiny_data
from typer.testing import CliRunner

from torchghm.cli.app import app
from torchghm.training.recipes.files import recipe_yaml

IMAGES = {name: data for name, data, *_ in BROKEN}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_tiny_data(tmp_path / "data")
    (tmp_path / "tiny.yaml").write_text(recipe_yaml(TINY))
    return tmp_path


def torchghm(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchghm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_check_shows_a_bad_image_and_exits_with_1(place):
    (place / "data" / "train2017" / "3.png").write_bytes(IMAGES["bomb of 10000 x 10000"])
    found = torchghm("data", "check", place / "data")
    assert (found.returncode, found.stderr) == (1, "")  # Pillow's own warning would be a second voice
    shown = " ".join(found.stdout.split())
    assert "not usable" in shown
    assert "train2017/3.png: has 10000 x 10000" in shown


def test_training_ends_at_a_bad_image_with_one_line(place):
    image = place / "data" / "train2017" / "3.png"
    image.write_bytes(IMAGES["truncated JPEG"])
    ended = torchghm(
        "train", "--data", place / "data", "--recipe", place / "tiny.yaml", "--out", place / "run", "--no-progress",
        "--set", "data.workers=1", "--set", "loss.cls=ce", "--set", "loss.box=l1",
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: image '{image}': cannot be read: image file is truncated")
    assert ended.stderr.count("\n") == 1  # these losses have no kernels, whose compiling is announced


@pytest.mark.parametrize("command", ["train", "compare", "shards"])
def test_bad_annotations_end_a_command_before_anything_is_written(place, command):
    file = place / "data" / "annotations" / "instances_train2017.json"
    file.write_bytes(file.read_bytes()[:-20])
    options = {
        "train": ["train", "--recipe", place / "tiny.yaml", "--data", place / "data", "--out", place / "out"],
        "compare": ["compare", "--recipe", place / "tiny.yaml", "--data", place / "data", "--out", place / "out"],
        "shards": ["data", "shards", place / "data", place / "out"],
    }[command]
    ended = CliRunner().invoke(app, [str(option) for option in options])
    assert ended.exit_code == 2
    error, line = ended.stderr.splitlines()
    assert error == f"error: the data in {place / 'data'} cannot be used:"
    assert line.startswith("  annotations/instances_train2017.json: malformed-annotations: is not JSON")
    assert not (place / "out").exists()
