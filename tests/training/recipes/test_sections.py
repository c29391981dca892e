import pytest
from pydantic import ValidationError

from torchghm.training.recipes.model_section import ModelRecipe
from torchghm.training.recipes.sections import (
    DataRecipe,
    OptimizerRecipe,
    Section,
    TrainerRecipe,
)

SECTIONS = (DataRecipe, ModelRecipe, OptimizerRecipe, TrainerRecipe)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_value_says_what_it_means(section: type[Section]):
    assert all(field.description for field in section.model_fields.values())
    assert all(not field.is_required() for field in section.model_fields.values())


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (DataRecipe, {"scale_jitter": (2, 1)}, "the smaller first"),
        (DataRecipe, {"image_size": (31, 64)}, "greater than or equal to 32"),
        (OptimizerRecipe, {"lr": float("inf")}, "finite"),
        (TrainerRecipe, {"epochs": 0}, "greater than or equal to 1"),
        (TrainerRecipe, {"epoch": 1}, "not permitted"),
    ],
)
def test_values_out_of_range_are_refused(section, values, message):
    with pytest.raises(ValidationError, match=message):
        section(**values)
