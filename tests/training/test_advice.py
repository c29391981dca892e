"""What a dry pass counts, and what follows from it."""

from __future__ import annotations

import pytest
import torch
from tests.training.tiny import TINY, write_tiny_data
from typer.testing import CliRunner

from torchghm.cli.app import app
from torchghm.data import load_data
from torchghm.training import train
from torchghm.training.advice import advice_of, facts_of
from torchghm.training.dry_pass import Sight, dry_pass
from torchghm.training.recipe_files import recipe_yaml

CELLS = 60


def sight(positive, negative, residual=(0.1, 0.2, 0.3)):
    """Two batches each of ``positive`` and ``negative``: counts by cell."""

    def counts(cells):
        one = torch.zeros(2, CELLS, dtype=torch.float64)
        for cell, number in cells.items():
            one[:, cell] = torch.as_tensor(number, dtype=torch.float64)
        return one

    return Sight(counts(positive), counts(negative), torch.tensor(residual, dtype=torch.float64), images=4)


def test_facts_by_hand():
    # Regions are two cells wide: 990 negatives in the first, 6 in the second, 4 positives in the last.
    facts = facts_of(sight({59: 4}, {0: 990, 2: 6}))
    assert (facts.examples, facts.positives, facts.occupied) == (1000, 4, 3)
    assert facts.quieted == 0.99
    assert facts.density_error == 0
    first, second, last = 0.5 / 30, 1.5 / 30, 29.5 / 30
    assert facts.positive_share["CE"] == pytest.approx(4 * last / (990 * first + 6 * second + 4 * last))
    crowd = 1000 / (990 * 3)  # the weight of the first region; the others are capped at 1
    assert facts.positive_share["GHM-C"] == pytest.approx(4 * last / (crowd * 990 * first + 6 * second + 4 * last))
    assert facts.positive_share["GHM-C as published"] == pytest.approx(last / (first + second + last))
    assert facts.residual == pytest.approx(0.2)
    assert facts.saturated == 1


def test_the_error_of_a_density_is_its_spread_over_batches():
    facts = facts_of(sight({59: (2, 6)}, {0: 96, 2: (2, 0)}))
    # fractions 96/100 and 96/102 in the first region, 2/100 and 0 in the second, 2/100 and 6/102 in the last
    last = torch.tensor([2 / 100, 6 / 102], dtype=torch.float64)
    assert facts.density_error == pytest.approx(float(last.std() / last.mean()))


def test_a_crowd_of_negatives_makes_ghm_worth_a_comparison():
    (first, *rest) = advice_of(facts_of(sight({59: 40}, {0: 9900, 2: 60}, residual=(0.001,) * 3)))
    assert first.startswith("GHM-C (loss.cls=ghmc) would quiet 99.0% of the examples")
    assert rest == []


def test_without_a_crowd_there_is_nothing_to_quiet():
    advice = advice_of(facts_of(sight({59: 400}, {0: 990}, residual=())))
    assert len(advice) == 1
    assert "1 example in 3 is positive: there is no crowd" in advice[0]


def test_rough_densities_few_positives_and_a_small_mu_are_named():
    advice = advice_of(facts_of(sight({59: (0, 4)}, {0: 990, 2: (12, 0)})))
    assert [sentence.split(" ")[0] for sentence in advice] == ["GHM-C", "GHM-C", "A", "GHM-R's"]
    assert "the density of one is off by 141%" in advice[1]
    assert "A batch has 2 positives" in advice[2]
    assert "loss.box_options.mu=0.2 is" in advice[3]


def test_nothing_seen_is_refused():
    with pytest.raises(ValueError, match="at least one example"):
        facts_of(sight({}, {}))


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
    assert (seen.residual.diff() >= 0).all()
    assert seen.images == 2


def test_the_command_advises_on_data_and_on_a_run(data, tmp_path):
    (tmp_path / "tiny.yaml").write_text(recipe_yaml(TINY))
    quick = ["--batches", "2", "--device", "cpu"]
    dry = CliRunner().invoke(
        app, ["advise", "--data", str(data), "--recipe", str(tmp_path / "tiny.yaml"), "--steps", "1", *quick]
    )
    assert dry.exit_code == 0, dry.output
    assert "2 training batches of 2 images, after 1 steps of focal + smooth L1" in dry.output
    assert "positives' part of the gradient   CE" in dry.output
    train(data, recipe=TINY.with_values({"trainer.max_steps": 1}), out=tmp_path / "run", progress=False)
    of_run = CliRunner().invoke(app, ["advise", str(tmp_path / "run"), "--data", str(data), *quick])
    assert of_run.exit_code == 0, of_run.output
    assert f"as {tmp_path / 'run'} sees them" in of_run.output
    assert "\n- " in of_run.output


def test_the_command_refuses(data, tmp_path):
    for arguments, message in (
        ([str(tmp_path / "none"), "--data", str(data)], "none"),
        (["--data", str(data), "--set", "data.batch_size=99"], "expected at most the 5 training images, got 99"),
        ([str(tmp_path), "--data", str(data), "--recipe", "demo"], "expected a run, which has its recipe"),
    ):
        result = CliRunner().invoke(app, ["advise", *arguments])
        assert result.exit_code == 2
        assert message in result.output
