"""`torchghm recipes`."""

from __future__ import annotations

from typing import Annotated

import typer

from torchghm.cli.errors import plain_errors
from torchghm.cli.training import Settings


@plain_errors
def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[RECIPE]", help="A recipe's name or YAML file, or a preset's name.")
    ] = None,
    settings: Settings = [],  # noqa: B006 (Typer's way to say "none")
) -> None:
    """List the recipes and the presets of comparisons; or show one.

    A recipe is shown with every value and its meaning, as a run writes it: save it as the start of your own.
    """
    from torchghm.training.recipes.packaged import packaged_comments, packaged_names, packaged_text

    if name is None:
        for title, folder in (("recipes, for --recipe", ()), ("presets of `torchghm compare`", ("comparisons",))):
            typer.echo(f"{title}:")
            for entry, comment in packaged_comments(*folder).items():
                typer.echo(f"  {entry}\n      {comment}" if comment else f"  {entry}")
        return
    if name in packaged_names("comparisons"):
        if settings:
            raise ValueError("Expected --set with a recipe, but got it with a preset")
        typer.echo(packaged_text(name, "comparisons").rstrip())
        return
    from torchghm.training.recipes.files import load_recipe, recipe_yaml
    from torchghm.training.recipes.values import read_assignments

    typer.echo(recipe_yaml(load_recipe(name, read_assignments(settings))).rstrip())
