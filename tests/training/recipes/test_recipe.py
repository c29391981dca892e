import pytest
import yaml

from torchghm.training import Recipe, load_recipe, recipe_names
from torchghm.training.recipes.files import recipe_yaml
from torchghm.training.recipes.values import nested, read_assignments


def test_default_recipe_is_the_defaults():
    assert load_recipe() == load_recipe("default") == Recipe()


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


def test_with_values_changes_only_what_it_says():
    recipe = Recipe().with_values({"loss.cls": "ce", "seed": 3, "loss.cls_options.average": "examples"})
    assert (recipe.loss.cls, recipe.seed, recipe.loss.cls_options) == ("ce", 3, {"average": "examples"})
    assert recipe.with_values({"loss.cls": "ghmc", "seed": 0}) == Recipe()


def test_options_and_weight_go_with_their_loss():
    harmonized = Recipe().with_values({"loss.cls_options.bins": 10, "loss.cls_weight": 2, "loss.box_weight": 3})
    assert harmonized.with_values({"loss.cls": "ghmc"}) == harmonized
    focal = harmonized.with_values({"loss.cls": "focal"}).loss
    assert (focal.cls_options, focal.cls_weight, focal.box_weight) == ({}, None, 3)
    assert harmonized.with_values({"loss.cls": "focal", "loss.cls_weight": 4}).loss.cls_weight == 4


def test_options_go_with_their_detector():
    demo = load_recipe("demo")
    fcos = demo.with_values({"model.detector": "fcos"})
    assert (fcos.model.anchor_sizes, fcos.model.pyramid_channels) == (None, 64)
    assert fcos.data.image_size == (96, 128)
    ssd = load_recipe("demo", {"model.detector": "ssd300", "loss.cls_options.activation": "softmax"})
    assert (ssd.data.image_size, ssd.model.pyramid_channels) == (None, None)
    assert ssd.loss.cls_options == {"activation": "softmax"}
    second = load_recipe("demo", {"model.detector": "faster_rcnn", "loss.stage": "roi", "loss.cls": "own"})
    assert second.loss.stage == "roi"
    assert second.with_values({"model.detector": "fcos"}).loss.stage is None


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"optimizer.lrr": 1}, "unknown key 'optimizer.lrr'; the nearest known one is 'optimizer.lr'"),
        ({"lr": 1}, "unknown key 'lr'; the nearest known one is 'optimizer.lr'"),
        ({"los.cls": "ce"}, "unknown key 'los'; the nearest known one is 'loss.cls'"),
        ({"optimizer.lr": -1}, "optimizer.lr: should be greater than 0, got -1"),
        ({"optimizer.lr": float("nan")}, "optimizer.lr: "),
        ({"optimizer": 3}, "optimizer: should be a valid dictionary"),
        ({"trainer.devices": "many"}, "trainer.devices: should be 'auto', got 'many'"),
        (
            {"loss.cls": "fokal"},
            "'logit_adjustment', 'dft' or 'own', got 'fokal'",
        ),
        ({"loss.cls_options.binz": 3}, "'loss.cls_options.binz' of the loss 'ghmc'; the nearest known one is 'bins'"),
        ({"loss.cls_options.bins": 0}, "loss.cls_options: Expected argument `bins`"),
        ({"loss.box_options": {"reduction": "sum"}}, "unknown option 'loss.box_options.reduction'"),
        ({"model.backbone": "resnet19"}, "`model.backbone` to be one of resnet18"),
        ({"model.anchor_sizes": [1, 2]}, "model.anchor_sizes: "),
        ({"model.detector": "yolo"}, "model.detector: should be 'retinanet', 'retinanet_v2', 'fcos', 'ssd300'"),
        (
            {"model.detector": "ssd300", "model.backbone": "resnet18"},
            "`model.backbone` to be null for ssd300, which has no such option, but got 'resnet18'",
        ),
        (
            {"model.detector": "fcos", "model.head_norm": "none"},
            "`model.head_norm` to be null for fcos, which has no such option, but got 'none'",
        ),
        (
            {"model.detector": "ssd300", "data.image_size": [300, 300]},
            "`data.image_size` to be null for ssd300, which reads images of one size",
        ),
        (
            {"loss.cls_options.activation": "softmax"},
            "activation` to be sigmoid for retinanet, but got 'softmax' of the loss 'ghmc', which",
        ),
        ({"loss.cls": "dft"}, "activation` to be sigmoid for retinanet, but got 'softmax' of the loss 'dft', which"),
        ({"loss.cls": "eqlv2", "loss.cls_options.mu": "x"}, "loss.cls_options: Expected argument `mu`"),
        (
            {"loss.stage": "roi"},
            "`loss.stage` to be null for retinanet, which has one stage, but got 'roi'; faster_rcnn, ",
        ),
        (
            {"model.detector": "faster_rcnn", "loss.stage": "roi"},
            "`loss.cls_options.activation` to be softmax with loss.stage=roi (or loss.cls=own), but got 'sigmoid'",
        ),
        ({"data.batch_size": True}, "Expected `data.batch_size` to be no true or false, but got true"),
        ({"seed": False}, "Expected `seed` to be no true or false, but got false"),
        ({"data.image_size": [240]}, "data.image_size.1: Field required"),
        ({"data.scale_jitter": [2, 1]}, "`data.scale_jitter` to be two factors, the smaller first, but got [2.0, 1.0]"),
        ({"seed": 1, "seed.x": 2}, "seed and seed.x can't be set at once"),
    ],
)
def test_errors_name_the_key_and_what_came(values, says):
    with pytest.raises(ValueError, match="^(test: )?") as error:
        Recipe().with_values(values, source="test")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_recipe_is_not_changed_by_accident():
    with pytest.raises(ValueError):
        Recipe().seed = 3


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


def test_assignments_are_yaml():
    values = read_assignments(["optimizer.lr=1e-3", "data.image_size=[64, 85]", "model.weights=none", "a.b=null"])
    assert values == {"optimizer.lr": 0.001, "data.image_size": [64, 85], "model.weights": "none", "a.b": None}
    assert nested(values)["a"] == {"b": None}


@pytest.mark.parametrize("assignment", ["optimizer.lr", "=3", "a=["])
def test_bad_assignments_are_shown(assignment):
    with pytest.raises(ValueError) as error:
        read_assignments([assignment])
    assert assignment in str(error.value)


def test_a_written_recipe_has_every_value_and_reads_back(tmp_path):
    recipe = Recipe().with_values({"name": "a: b #c", "loss.cls_options": {"bins": 7, "max_weight": None}})
    (tmp_path / "recipe.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert yaml.safe_load(recipe_yaml(recipe)) == recipe.plain()
