from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from torchghm.cli.app import app
from torchghm.training import load_recipe
from torchghm.training.recipes.values import read_yaml


def shown(*arguments):
    result = CliRunner().invoke(app, ["recipes", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_recipes_and_presets_are_listed_with_what_they_are():
    listed = shown()
    assert "  finetune\n      A few hundred images, " in listed
    assert listed.index("presets of `torchghm compare`") < listed.index("  fine_tuning\n")


def test_the_list_needs_no_torch():
    check = (
        "import sys\nfrom torchghm.cli.app import app\n"
        "app(['recipes'], standalone_mode=False)\nassert not {'torch', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)


def test_a_recipe_is_shown_whole_with_the_changes_asked_for():
    text = shown("bccd", "--set", "seed=3")
    assert read_yaml(text) == load_recipe("bccd", {"seed": 3}).plain()
    assert "passes over the training images" in text


def test_a_preset_is_shown_as_it_is_written():
    assert "baseline: focal+smooth_l1" in shown("one_stage_both")


def test_an_unknown_name_names_the_nearest():
    result = CliRunner().invoke(app, ["recipes", "finetun"])
    assert result.exit_code == 2
    assert "the nearest known one is 'finetune'" in result.stderr
