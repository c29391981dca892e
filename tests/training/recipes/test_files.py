import pytest
import yaml

from torchghm.training import Recipe, load_recipe, recipe_names
from torchghm.training.recipes.files import recipe_yaml


def test_every_packaged_recipe_loads_under_its_own_name():
    assert {"default", "bccd", "demo"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_bccd_is_the_budget_that_it_is_compared_under():
    recipe = load_recipe("bccd")
    assert recipe.data.image_size == (240, 320)
    assert (recipe.data.batch_size, recipe.trainer.epochs) == (4, 15)
    assert (recipe.data.flip, recipe.data.vertical_flip) == (0.5, 0.5)
    assert (recipe.model.detector, recipe.model.backbone, recipe.model.weights) == ("retinanet", None, "none")
    assert (recipe.optimizer.name, recipe.optimizer.schedule) == ("adamw", "one_cycle")
    assert (recipe.loss.cls, recipe.loss.box) == ("ghmc", "smooth_l1")


def test_a_file_shows_only_what_differs_from_its_base(tmp_path):
    (tmp_path / "base.yaml").write_text("base: bccd\nloss: {cls_options: {bins: 7}, cls_weight: 2}\n")
    (tmp_path / "mine.yaml").write_text("base: base.yaml\nloss: {box: smooth_l1}\noptimizer: {lr: 1e-3}\n")
    recipe = load_recipe(tmp_path / "mine.yaml", {"seed": 5})
    assert recipe == load_recipe("bccd").with_values(
        {"name": "mine", "seed": 5, "loss.cls_options.bins": 7, "loss.cls_weight": 2, "loss.box": "smooth_l1",
         "optimizer.lr": 0.001}
    )  # fmt: skip


def test_another_loss_than_the_bases_forgets_its_options(tmp_path):
    (tmp_path / "base.yaml").write_text("loss: {cls_options: {bins: 7}, cls_weight: 2}\n")
    (tmp_path / "mine.yaml").write_text("base: base.yaml\nloss: {cls: focal}\n")
    loss = load_recipe(tmp_path / "mine.yaml").loss
    assert (loss.cls_options, loss.cls_weight) == ({}, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML"),
        ("seed: 1\nseed: 2", "the key 'seed' is there twice"),
        ("loss: {cls_options: {bins: 3, bins: 4}}", "the key 'bins' is there twice"),
        ("a: &a {seed: 1}\nb: &b {<<: *a, name: x}\noptimizer: {<<: *b, lr: 1}", "unknown key 'a'"),
        ("- 1", "Expected keys and values, but got list"),
        ("base: 3", "Expected `base` to be a recipe's name or file, but got 3"),
        ("base: mine.yaml", "are each other's base"),
        ("optimizer: {lrr: 1}", "mine.yaml: unknown key 'optimizer.lrr'; the nearest known one is 'optimizer.lr'"),
        ("!!python/object/apply:os.system [echo]", "is not YAML"),
    ],
)
def test_errors_name_the_file(tmp_path, text, says):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"mine\.yaml") as error:
        load_recipe(tmp_path / "mine.yaml")
    assert says in str(error.value)


def test_the_base_is_named_where_the_fault_is_the_bases(tmp_path):
    (tmp_path / "base.yaml").write_text("sed: 3\n")
    (tmp_path / "mine.yaml").write_text("base: base.yaml\n")
    with pytest.raises(ValueError, match=r"base\.yaml: unknown key 'sed'; the nearest known one is 'seed'"):
        load_recipe(tmp_path / "mine.yaml")


@pytest.mark.parametrize("name", ["bcdd", "missing.yaml"])
def test_a_missing_recipe_is_named_with_the_nearest(name):
    with pytest.raises(FileNotFoundError, match=f"'{name}'; the nearest known one is"):
        load_recipe(name)


def test_a_written_recipe_has_every_value_and_reads_back(tmp_path):
    recipe = Recipe().with_values({"name": "a: b #c", "loss.cls_options": {"bins": 7, "max_weight": None}})
    (tmp_path / "recipe.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert yaml.safe_load(recipe_yaml(recipe)) == recipe.plain()
