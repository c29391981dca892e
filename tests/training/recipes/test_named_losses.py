import inspect

import pytest

import torchghm
from torchghm.losses.baselines.unharmonized import Options, UnharmonizedLoss
from torchghm.training import Recipe
from torchghm.training.recipes.loss_section import build_losses
from torchghm.training.recipes.named_losses import BOX_LOSSES, CLS_LOSSES, REFERENCE_LOSSES


def build(**values):
    return build_losses(Recipe().with_values({f"loss.{key}": value for key, value in values.items()}).loss)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ce", torchghm.CrossEntropyLoss),
        ("ohem", torchghm.OHEMLoss),
        ("focal", torchghm.FocalLoss),
        ("ghmc", torchghm.GHMCLoss),
        ("ghmc_published", torchghm.GHMCLoss),
        ("asymmetric", torchghm.AsymmetricLoss),
        ("poly1_focal", torchghm.Poly1FocalLoss),
        ("quality_focal", torchghm.QualityFocalLoss),
        ("eqlv2", torchghm.EqualizationLossV2),
        ("sce", torchghm.SymmetricCrossEntropyLoss),
        ("gce", torchghm.GeneralizedCrossEntropyLoss),
    ],
)
def test_classification_losses_by_name(name, kind):
    losses = build(cls=name)
    assert type(losses.cls_loss) is kind
    assert losses.cls_weight == 1


@pytest.mark.parametrize(
    ("name", "kind", "weight", "average"),
    [
        ("smooth_l1", torchghm.SmoothL1Loss, 1, "boxes"),
        ("l1", torchghm.SmoothL1Loss, 1, "boxes"),
        ("asl1", torchghm.ASL1Loss, 1, "boxes"),
        ("ghmr", torchghm.GHMRLoss, 4, "examples"),
        ("ghmr_published", torchghm.GHMRLoss, 10, "examples"),
    ],
)
def test_box_losses_by_name(name, kind, weight, average):
    losses = build(box=name)
    assert type(losses.box_loss) is kind
    assert losses.box_weight == weight
    assert losses.box_loss.average == average


def test_l1_is_smooth_l1_without_the_smooth_part():
    assert build(box="l1").box_loss.delta == 0


def test_names_and_recipe_agree():
    assert set(CLS_LOSSES) == set(Recipe.model_fields["loss"].annotation.model_fields["cls"].annotation.__args__)
    assert set(BOX_LOSSES) == set(Recipe.model_fields["loss"].annotation.model_fields["box"].annotation.__args__)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("logit_adjustment", torchghm.LogitAdjustedLoss), ("dft", torchghm.DynamicFineTuningLoss)],
)
def test_losses_of_a_softmax_by_name(name, kind):
    recipe = Recipe().with_values({"model.detector": "ssdlite320", "loss.cls": name})
    assert type(build_losses(recipe.loss).cls_loss) is kind


DECIDED = {"self", "ignore_index", "class_dim", "reduction", "use_sigmoid", "loss_weight"}
"""Arguments in which a detector leaves no choice: its logits' layout, and that a loss is one number."""


@pytest.mark.parametrize(("name", "choice"), [*CLS_LOSSES.items(), *BOX_LOSSES.items(), *REFERENCE_LOSSES.items()])
def test_the_options_are_the_arguments_of_the_loss(name, choice):
    build = choice.build
    if build is None:
        assert (name, choice.options) == ("own", ())
        return
    loss_class = type(build())
    arguments = set(inspect.signature(loss_class.__init__).parameters)
    if issubclass(loss_class, UnharmonizedLoss):
        arguments = arguments - {"options"} | Options.__annotations__.keys()
    assert set(choice.options) == arguments - DECIDED
    assert len(choice.options) == len(set(choice.options))


@pytest.mark.parametrize("choice", [choice for choice in CLS_LOSSES.values() if choice.path])
def test_the_activation_is_that_of_the_loss(choice):
    assert choice.activation == choice.build().activation
