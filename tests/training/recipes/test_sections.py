import pytest
from pydantic import ValidationError

from torchghm.detector_names import DETECTORS, has_option
from torchghm.training.recipes.sections import (
    DETECTOR_OPTIONS,
    DataRecipe,
    ModelRecipe,
    OptimizerRecipe,
    Section,
    TrainerRecipe,
)

SECTIONS = (DataRecipe, ModelRecipe, OptimizerRecipe, TrainerRecipe)
GIVEN = {
    "backbone": "resnet34", "anchor_sizes": (16, 32, 64, 128, 256), "anchor_scales": (1.0,), "pyramid_channels": 64,
    "finest_level": 2, "head_norm": "none", "proposals_per_image": 64,
}  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS)
def test_every_value_says_what_it_means(section: type[Section]):
    assert all(field.description for field in section.model_fields.values())
    assert all(not field.is_required() for field in section.model_fields.values())


@pytest.mark.parametrize("detector", DETECTORS)
def test_options_that_a_detector_does_not_have_are_refused(detector):
    assert set(GIVEN) == set(DETECTOR_OPTIONS)
    for option, value in GIVEN.items():
        if has_option(detector, option):
            assert getattr(ModelRecipe(detector=detector, **{option: value}), option) == value
        else:
            with pytest.raises(ValidationError, match=f"`model.{option}` to be null for {detector}"):
                ModelRecipe(detector=detector, **{option: value})


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (DataRecipe, {"scale_jitter": (2, 1)}, "the smaller first"),
        (DataRecipe, {"image_size": (31, 64)}, "greater than or equal to 32"),
        (ModelRecipe, {"anchor_sizes": (1, 2)}, "at least 5"),
        (ModelRecipe, {"backbone": "vgg19"}, "timm/<name>"),
        (OptimizerRecipe, {"lr": float("inf")}, "finite"),
        (TrainerRecipe, {"epochs": 0}, "greater than or equal to 1"),
        (TrainerRecipe, {"epoch": 1}, "not permitted"),
    ],
)
def test_values_out_of_range_are_refused(section, values, message):
    with pytest.raises(ValidationError, match=message):
        section(**values)
