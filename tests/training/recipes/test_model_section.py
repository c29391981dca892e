import pytest
from pydantic import ValidationError

from torchghm.detector_names import DETECTORS, has_option
from torchghm.training.recipes.model_section import DETECTOR_OPTIONS, ModelRecipe

GIVEN = {
    "backbone": "resnet34", "anchor_sizes": (16, 32, 64, 128, 256), "anchor_scales": (1.0,), "pyramid_channels": 64,
    "finest_level": 2, "head_norm": "none", "proposals_per_image": 64,
}  # fmt: skip


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
    ("values", "message"), [({"anchor_sizes": (1, 2)}, "at least 5"), ({"backbone": "vgg19"}, "timm/<name>")]
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        ModelRecipe(**values)
