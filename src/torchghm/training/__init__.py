"""Train a detector, evaluate it, use it, and compare losses.

`train` makes a run folder from a data set and a recipe; `evaluate` and `predict` use its checkpoints; `compare` makes
many runs that differ in their losses alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchghm.training.comparison.run import compare
    from torchghm.training.deployment.export import export
    from torchghm.training.evaluation.evaluate import evaluate
    from torchghm.training.evaluation.predict import predict
    from torchghm.training.recipes.files import load_recipe, recipe_names
    from torchghm.training.recipes.recipe import Recipe
    from torchghm.training.run import train

__all__ = ["Recipe", "compare", "evaluate", "export", "load_recipe", "predict", "recipe_names", "train"]

# Lightning takes seconds to import, and whoever reads a recipe does not need it.
_MODULE_OF = {
    "Recipe": "recipes.recipe",
    "compare": "comparison.run",
    "evaluate": "evaluation.evaluate",
    "export": "deployment.export",
    "load_recipe": "recipes.files",
    "predict": "evaluation.predict",
    "recipe_names": "recipes.files",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
