"""Train a detector, evaluate it, use it, and compare losses.

`train` makes a run folder from a data set and a recipe; `evaluate` and `predict` use its checkpoints;
`torchghm.training.compare.compare` makes many runs that differ in their losses alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchghm.training.evaluation import evaluate
    from torchghm.training.prediction import predict
    from torchghm.training.recipe import Recipe
    from torchghm.training.recipe_files import load_recipe, recipe_names
    from torchghm.training.run import train

__all__ = ["Recipe", "evaluate", "load_recipe", "predict", "recipe_names", "train"]

# Lightning takes seconds to import, and whoever reads a recipe does not need it.
_HOME = {
    "Recipe": "recipe",
    "evaluate": "evaluation",
    "load_recipe": "recipe_files",
    "predict": "prediction",
    "recipe_names": "recipe_files",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
