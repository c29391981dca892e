"""What a dry pass counts, and the command that advises from it."""

from __future__ import annotations

import pytest
import torch
from tests.training.tiny import TINY, write_tiny_data
from typer.testing import CliRunner

from torchghm.cli.app import app
from torchghm.data import load_data
from torchghm.training import train
from torchghm.training.evaluation.dry_pass import dry_pass
from torchghm.training.recipes.files import recipe_yaml


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny_data(tmp_path_factory.mktemp("advice") / "data")


def test_a_dry_pass_counts_every_logit_of_its_batches(data):
    seen = dry_pass(load_data(data), TINY, torch.device("cpu"), steps=1, batches=3)
    again = dry_pass(load_data(data), TINY, torch.device("cpu"), steps=1, batches=3)
    assert torch.equal(seen.positive, again.positive)
    assert seen.positive.shape == seen.negative.shape == (3, 1000)
    assert 0 < seen.positive.sum() < seen.negative.sum()
    assert len(seen.residual) % 4 == 0
    assert (seen.residual >= 0).all()
    assert seen.images == 2


def test_of_two_stages_the_first_is_looked_at(data):
    recipe = TINY.with_values({"model.detector": "faster_rcnn_mobilenet", "loss.cls": "own", "loss.stage": "roi"})
    seen = dry_pass(load_data(data), recipe, torch.device("cpu"), steps=1, batches=2)
    assert seen.positive.sum() > 0


def test_the_command_advises_on_data_and_on_a_run(data, tmp_path):
    (tmp_path / "tiny.yaml").write_text(recipe_yaml(TINY))
    quick = ["--batches", "2", "--device", "cpu"]
    dry = CliRunner().invoke(
        app, ["advise", "--data", str(data), "--recipe", str(tmp_path / "tiny.yaml"), "--steps", "1", *quick]
    )
    assert dry.exit_code == 0, dry.output
    assert "2 training batches of 2 images, after 1 step of focal + smooth L1" in dry.output
    assert "positives' part of the gradient   CE" in dry.output
    train(data, recipe=TINY.with_values({"trainer.max_steps": 1}), out=tmp_path / "run", progress=False)
    of_run = CliRunner().invoke(app, ["advise", str(tmp_path / "run"), "--data", str(data), *quick])
    assert of_run.exit_code == 0, of_run.output
    assert f"as {tmp_path / 'run'} sees them" in of_run.output
    assert "\n- " in of_run.output


def test_the_command_refuses(data, tmp_path):
    for arguments, message in (
        ([str(tmp_path / "none"), "--data", str(data)], "none"),
        (["--data", str(data), "--set", "data.batch_size=99"], "to be at most the 5 training images, but got 99"),
        ([str(tmp_path), "--data", str(data), "--recipe", "demo"], "Expected a run, which has its recipe"),
    ):
        result = CliRunner().invoke(app, ["advise", *arguments])
        assert result.exit_code == 2
        assert message in result.output
