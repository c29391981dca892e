import pytest

from torchghm.training.recipes import fitting
from torchghm.training.recipes.fitting import fitting_recipe


@pytest.mark.parametrize(("images", "epochs"), [(0, 30), (42, 30), (160, 15), (300, 8), (480, 5), (2000, 4)])
def test_epochs_fit_the_number_of_images(images, epochs):
    recipe = fitting_recipe(images)
    assert (recipe.name, recipe.trainer.epochs, recipe.model.weights) == ("finetune", epochs, "package")


def test_what_is_said_wins():
    recipe = fitting_recipe(42, {"trainer.epochs": 2, "loss.cls": "focal", "model.detector": "fcos"})
    assert (recipe.name, recipe.trainer.epochs, recipe.loss.cls, recipe.model.detector) == (
        "finetune",
        2,
        "focal",
        "fcos",
    )


@pytest.mark.parametrize(
    "values", [{"model.backbone": "resnet50"}, {"model.weights": "none"}, {"model.detector": "ssdlite320"}]
)
def test_another_backbone_is_trained_by_the_default_recipe(values):
    recipe = fitting_recipe(300, values)
    assert (recipe.name, recipe.trainer.epochs, recipe.model.weights) == ("default", 8, "none")


def test_without_the_packages_of_the_weights_training_starts_from_scratch(monkeypatch):
    monkeypatch.setattr(fitting, "PRETRAINED", ("timm", "a_package_that_is_not_there"))
    assert fitting_recipe(300).name == "default"


def test_an_unknown_key_is_named():
    with pytest.raises(ValueError, match=r"'trainer\.epoch'|epoch"):
        fitting_recipe(300, {"trainer.epoch": 2})
