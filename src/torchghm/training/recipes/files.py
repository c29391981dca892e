"""Recipes by name or file: YAML that shows only what differs from another recipe, or from the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from torchghm.training.recipes.changes import apply_changes
from torchghm.training.recipes.packaged import packaged_names, packaged_text
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.values import as_yaml, checked, nearest, nested, read_yaml


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the library.

    Returns:
        Names in alphabetical order, as `load_recipe` takes them.

    Examples:
        >>> "finetune" in recipe_names()
        True
    """
    return packaged_names()


def load_recipe(recipe: Recipe | str | Path | None = None, values: Mapping[str, Any] | None = None) -> Recipe:
    """Return a recipe.

    Arguments:
        recipe: the name of one that comes with the library, a YAML file, or a recipe; None is "default".
        values: changes by dotted key, for example ``{"optimizer.lr": 1e-3}``.

    Returns:
        The recipe, checked.

    Raises:
        FileNotFoundError: no such name or file.
        ValueError: a file that is not a recipe; an unknown key, named together with the nearest known one.

    Examples:
        >>> load_recipe("bccd", {"seed": 1}).trainer.epochs
        15
    """
    if isinstance(recipe, Recipe):
        return recipe.with_values(values or {})
    source, found = _read("default" if recipe is None else recipe, Path.cwd(), ())
    return checked(Recipe, apply_changes(found, nested(values)), "--set") if values else checked(Recipe, found, source)


def recipe_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML: every value written out, with what it means."""
    lines: list[str] = []
    for name, field in Recipe.model_fields.items():
        value = getattr(recipe, name)
        if isinstance(value, BaseModel):
            lines += [f"{name}:", *_described(value, "  ")]
        else:
            lines.append(_line(name, value, field.description))
    return "\n".join(lines) + "\n"


def _described(section: BaseModel, indent: str) -> list[str]:
    values = section.model_dump(mode="json")
    fields = type(section).model_fields
    return [indent + _line(name, value, fields[name].description) for name, value in values.items()]


def _line(name: str, value: object, description: str | None) -> str:
    return f"{name}: {as_yaml(value)}  # {description}"


def _read(recipe: str | Path, folder: Path, chain: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Return the name for messages and the values of a recipe laid over its base."""
    text, source, name, place = _text(recipe, folder)
    if source in chain:
        raise ValueError(f"{source}: the recipes {' -> '.join((*chain, source))} are each other's base")
    try:
        values = read_yaml(text)
    except ValueError as error:
        raise ValueError(f"{source}: is not YAML: {error}") from error
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"{source}: Expected keys and values, but got {type(values).__name__}")
    base = values.pop("base", None)
    values = {"name": name, **values}
    if base is not None:
        if not isinstance(base, str):
            raise ValueError(f"{source}: Expected `base` to be a recipe's name or file, but got {base!r}")
        values = apply_changes(_read(base, place, (*chain, source))[1], values)
    checked(Recipe, values, source)  # here, so that the message names the file whose fault it is
    return source, values


def _text(recipe: str | Path, folder: Path) -> tuple[str, str, str, Path]:
    """Return a recipe's text, its name for messages, its own name, and the folder that its base is relative to."""
    path = Path(recipe)
    if str(recipe) in recipe_names():
        return packaged_text(str(recipe)), f"recipe {recipe}", str(recipe), folder
    path = folder / path
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no recipe and no recipe file {str(recipe)!r}{nearest(str(recipe), recipe_names())}"
        )
    try:
        return path.read_text("utf-8"), f"recipe {path}", path.stem, path.parent
    except UnicodeDecodeError as error:
        raise ValueError(f"recipe {path}: is not UTF-8 text: {error}") from error
