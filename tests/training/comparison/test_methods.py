from __future__ import annotations

import pytest

from torchghm.report.figures.palette import method_colors, method_dash
from torchghm.training.comparison.methods import choices, load_preset, named_methods, preset_names
from torchghm.training.recipes.files import load_recipe
from torchghm.training.recipes.loss_section import build_losses


@pytest.mark.parametrize("name", preset_names())
def test_every_method_of_a_preset_is_a_recipe_whose_losses_build(name):
    preset = load_preset(name)
    base = load_recipe("bccd", preset.recipe)
    recipes = [base.with_values(values) for values in preset.methods.values()]
    for recipe in recipes:
        build_losses(recipe.loss)
    assert preset.baseline in preset.methods
    assert all(one != other for i, one in enumerate(recipes) for other in recipes[:i])


def test_names_say_which_losses_they_are_of():
    """The page takes colours, dashes and labels from the names."""
    for name in preset_names():
        preset = load_preset(name)
        for method, values in preset.methods.items():
            loss = load_recipe("bccd", preset.recipe | values).loss
            assert method.partition("@")[0] == f"{loss.cls}+{loss.box}"


def test_every_method_of_a_preset_has_a_look_of_its_own():
    for name in preset_names():
        methods = load_preset(name).methods
        colors = method_colors(methods)
        assert len({(colors[method], method_dash(method)) for method in methods}) == len(methods)


def test_a_preset_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("methods:\n  a: {loss: {cls: ce}}\n  b: {loss: {cls: ghmc, cls_options: {bins: 9}}}\n")
    preset = load_preset(path)
    assert preset.methods == {"a": {"loss.cls": "ce"}, "b": {"loss.cls": "ghmc", "loss.cls_options.bins": 9}}
    assert (preset.baseline, preset.recipe) == ("a", {})


def test_what_the_caller_says_of_the_recipe_goes_before_the_preset(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: {seed: 3, optimizer: {lr: 0.5}}\nbaseline: b\nmethods: {a: {loss.cls: ce}, b: {}}\n")
    found = choices("nowhere", path, None, "bccd", {"seed": 4})
    assert (found.baseline, found.recipe.seed, found.recipe.optimizer.lr) == ("b", 4, 0.5)
    assert found.methods == {"a": {"loss.cls": "ce"}, "b": {}}
    assert choices("nowhere", path, "a", None, {}).baseline == "a"


def test_a_baseline_is_looked_up_before_the_data_are_read(tmp_path):
    pairs = [("ce", "smooth_l1"), ("ghmc", "smooth_l1")]
    assert choices("nowhere", pairs, "ghmc", "bccd", {}).baseline == "ghmc+smooth_l1"
    with pytest.raises(ValueError, match="`baseline` to be one of the methods ce.smooth_l1, .* but got 'focal'"):
        choices(tmp_path / "nowhere", pairs, "focal", None, {})
    with pytest.raises(FileNotFoundError, match="nowhere"):
        choices(tmp_path / "nowhere", pairs, None, None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not YAML"),
        ("- a", "Expected keys and values"),
        ("methods: {}", "at least one"),
        ("recipe: {}", "methods: Expected keys and values, but got None"),
        ("methods: {a: 3}", "methods.a: Expected keys and values, but got 3"),
        ("methods: {a/b: {}}", "letters, digits"),
        ("method: {a: {}}", "unknown key 'method'.*'methods'"),
        ("methods: {a: {}}\nbaseline: b", "Expected `baseline` to be one of a, but got 'b'"),
        ("methods: {a: {}}\nrecipe: 5", "recipe: Expected keys and values"),
    ],
)
def test_a_preset_of_another_form_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"preset .*mine\.yaml: .*{message}"):
        load_preset(path)


def test_an_unknown_preset():
    with pytest.raises(FileNotFoundError, match="'densty'; the nearest known one is 'density'"):
        load_preset("densty")


def test_pairs_are_named_after_their_losses():
    assert list(named_methods([("ce", "l1"), ("ghmc", "ghmr")])) == ["ce+l1", "ghmc+ghmr"]


@pytest.mark.parametrize(("key", "value"), [("seed", 4), ("data.evaluate", "test")])
def test_what_a_comparison_sets_is_no_methods(key, value):
    """Each run has the comparison's seed and split; a method's own would be lost without a word."""
    with pytest.raises(ValueError, match=f"method b: Expected no value for '{key}'"):
        named_methods({"a": {"loss.cls": "ce"}, "b": {key: value}})
