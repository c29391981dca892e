import pytest

from torchghm.training import Recipe, load_recipe


def test_default_recipe_is_the_defaults():
    assert load_recipe() == load_recipe("default") == Recipe()


def test_with_values_changes_only_what_it_says():
    recipe = Recipe().with_values({"loss.cls": "ce", "seed": 3, "loss.cls_options.average": "examples"})
    assert (recipe.loss.cls, recipe.seed, recipe.loss.cls_options) == ("ce", 3, {"average": "examples"})
    assert recipe.with_values({"loss.cls": "ghmc", "seed": 0}) == Recipe()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"optimizer.lrr": 1}, "unknown key 'optimizer.lrr'; the nearest known one is 'optimizer.lr'"),
        ({"lr": 1}, "unknown key 'lr'; the nearest known one is 'optimizer.lr'"),
        ({"los.cls": "ce"}, "unknown key 'los'; the nearest known one is 'loss.cls'"),
        ({"optimizer.lr": -1}, "optimizer.lr: should be greater than 0, but got -1"),
        ({"optimizer.lr": float("nan")}, "optimizer.lr: "),
        ({"optimizer": 3}, "optimizer: should be a valid dictionary"),
        ({"trainer.devices": "many"}, "trainer.devices: should be auto, but got many"),
        (
            {"loss.cls": "fokal"},
            "logit_adjustment, dft or own, but got fokal",
        ),
        ({"loss.cls_options.binz": 3}, "'loss.cls_options.binz' of the loss 'ghmc'; the nearest known one is 'bins'"),
        ({"loss.cls_options.bins": 0}, "loss.cls_options: Expected argument `bins`"),
        ({"loss.box_options": {"reduction": "sum"}}, "unknown option 'loss.box_options.reduction'"),
        ({"model.backbone": "resnet19"}, "`model.backbone` to be one of resnet18"),
        ({"model.anchor_sizes": [1, 2]}, "model.anchor_sizes: "),
        ({"model.detector": "yolo"}, "model.detector: should be retinanet, retinanet_v2, fcos, ssd300"),
        (
            {"model.detector": "ssd300", "model.backbone": "resnet18"},
            "`model.backbone` to be null for ssd300, which has no such option, but got resnet18",
        ),
        (
            {"model.detector": "fcos", "model.head_norm": "none"},
            "`model.head_norm` to be null for fcos, which has no such option, but got none",
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
        ({"data.image_size": [240]}, "data.image_size: should be a list such as [96, 128], but got [240]"),
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
