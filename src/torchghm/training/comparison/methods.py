"""Methods of a comparison, each a few values of the recipe by the method's name, and the packaged presets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torchghm.training.recipes.files import load_recipe
from torchghm.training.recipes.packaged import packaged_names, packaged_text
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.values import flattened, nearest, read_yaml

Values = Mapping[str, Any]
"""Values of a recipe, by dotted key."""
Methods = Mapping[str, Values] | Sequence[tuple[str, str]]
"""Values by the method's name; or pairs of a classification and a box loss, which are named after their losses."""

DEFAULT_METHODS: tuple[tuple[str, str], ...] = (("ce", "smooth_l1"), ("focal", "smooth_l1"), ("ghmc", "smooth_l1"))
"""Those of a comparison that names none."""

# A folder of the comparison is named after the method.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=@-]*")
_KEYS = ["recipe", "baseline", "methods"]
_OF_THE_COMPARISON = ("seed", "data.evaluate")
"""Keys of the recipe that a comparison sets itself, the same for all methods: a method's own value would be lost."""


@dataclass(frozen=True)
class Preset:
    """A comparison to be made on any data set.

    Attributes:
        methods: values of the recipe by method.
        recipe: values that all methods share.
        baseline: the method that the others are measured by.
    """

    methods: dict[str, dict[str, Any]]
    recipe: dict[str, Any]
    baseline: str


class Choices(NamedTuple):
    """Methods, baseline and recipe of a comparison, all of them settled."""

    methods: dict[str, dict[str, Any]]
    baseline: str | None
    """A whole name; None is the first method."""
    recipe: Recipe


def choices(
    data: str | Path,
    methods: Methods | str | Path,
    baseline: str | None,
    recipe: Recipe | str | Path | None,
    changes: Values,
) -> Choices:
    """Return the methods, the baseline and the recipe that somebody asks for.

    Arguments:
        data: folder of the data set; it is read where neither a preset nor a recipe is named.
        methods: of the comparison, or the name or file of a preset.
        baseline: the method that others are measured by, or the beginning of its name; None is the preset's.
        recipe: a recipe, its name or its file; None is the preset's, else the one that fits the data.
        changes: values by dotted key that are laid over the recipe and over what a preset says of it.

    Raises:
        FileNotFoundError: no such data, recipe or preset.
        ValueError: a method, a baseline or a value that there is not, or unusable data.
    """
    chosen: Recipe | None = None
    if isinstance(methods, (str, Path)):
        preset = load_preset(methods)
        # What the caller says of the recipe goes before what the preset says.
        chosen = load_recipe(load_recipe(recipe, preset.recipe), changes)
        methods, baseline = preset.methods, baseline or preset.baseline
    elif recipe is not None:
        chosen = load_recipe(recipe, changes)
    named = named_methods(methods)
    if baseline is not None:
        baseline = method_named(baseline, list(named))
    if chosen is None:
        from torchghm.training.loop.recipe_data import load_fitting

        _, chosen = load_fitting(data, changes)
    return Choices(named, baseline, chosen)


def named_methods(methods: Methods) -> dict[str, dict[str, Any]]:
    """Return the values of every method by its name.

    Raises:
        ValueError: no method, the same twice, a name that is no folder's, or a value that the comparison sets itself.

    Examples:
        >>> named_methods([("focal", "smooth_l1")])
        {'focal+smooth_l1': {'loss.cls': 'focal', 'loss.box': 'smooth_l1'}}
    """
    if isinstance(methods, Mapping):
        named = [(name, dict(values)) for name, values in methods.items()]
    else:
        named = []
        for method in methods:
            if isinstance(method, str) or len(method) != 2 or not all(str(loss).isidentifier() for loss in method):
                raise ValueError(
                    f"Expected argument `methods` to be pairs of a classification and a box loss, but got {method!r}."
                )
            named.append(("+".join(method), {"loss.cls": method[0], "loss.box": method[1]}))
    names = [name for name, _ in named]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Expected argument `methods` to name every method once, but got {twice[0]} twice.")
    if not names:
        raise ValueError(f"Expected argument `methods` to be at least one, each once, but got {names}.")
    for name, values in named:
        for key in _OF_THE_COMPARISON:
            if key in values:
                raise ValueError(
                    f"method {name}: Expected no value for {key!r}, which is the comparison's, the same for all "
                    f"methods, but got {values[key]!r}."
                )
        if not _NAME.fullmatch(name):
            raise ValueError(
                "Expected the names in argument `methods` to be letters, digits and _ . + = @ -, beginning with a "
                f"letter or a digit, but got {name!r}."
            )
    return dict(named)


def method_named(name: str, methods: Sequence[str]) -> str:
    """Return the method that a name or the beginning of one stands for, where only one does.

    Raises:
        ValueError: no method begins so, or several do.

    Examples:
        >>> method_named("ce", ["ce+smooth_l1", "ghmc+smooth_l1"])
        'ce+smooth_l1'
    """
    if name in methods:
        return name
    # A loss's whole name: "ghmc" is not the beginning of "ghmc_published+smooth_l1".
    fitting = [method for method in methods if re.match(re.escape(name) + r"[+@]", method)]
    if len(fitting) != 1:
        found = f"{name!r}, which is short for {' and '.join(fitting)}: name one whole" if fitting else repr(name)
        raise ValueError(
            f"Expected argument `baseline` to be one of the methods {', '.join(methods)}, but got {found}."
        )
    return fitting[0]


def preset_names() -> list[str]:
    """Return the names of the presets that come with the library."""
    return packaged_names("comparisons")


def load_preset(preset: str | Path) -> Preset:
    """Return a preset.

    Arguments:
        preset: the name of one that comes with the library, or a YAML file with the keys ``methods`` (by name, the
            recipe's values that differ), and, if wanted, ``recipe`` (values that all share) and ``baseline`` (else the
            first method).

    Raises:
        FileNotFoundError: no such name or file.
        ValueError: a file of another form; it is named, with the key.

    Examples:
        >>> load_preset("one_stage_classification").baseline
        'focal+smooth_l1'
    """
    if str(preset) in preset_names():
        source, text = f"preset {preset}", packaged_text(str(preset), "comparisons")
    elif Path(preset).is_file():
        source = f"preset {preset}"
        try:
            text = Path(preset).read_text("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{source}: is not UTF-8 text: {error}") from error
    else:
        raise FileNotFoundError(
            f"there is no preset and no preset file {str(preset)!r}{nearest(str(preset), preset_names())}"
        )
    try:
        content = read_yaml(text)
    except ValueError as error:
        raise ValueError(f"{source}: is not YAML: {error}") from error
    content = _mapping(content, source)
    for key in content:
        if key not in _KEYS:
            raise ValueError(f"{source}: unknown key {key!r}{nearest(key, _KEYS)}")
    listed = _mapping(content.get("methods"), f"{source}: methods")
    try:
        methods = named_methods(
            {name: flattened(_mapping(values, f"{source}: methods.{name}")) for name, values in listed.items()}
        )
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    baseline = content.get("baseline", next(iter(methods)))
    if baseline not in methods:
        raise ValueError(f"{source}: Expected `baseline` to be one of {', '.join(methods)}, but got {baseline!r}")
    return Preset(methods, flattened(_mapping(content.get("recipe", {}), f"{source}: recipe")), baseline)


def _mapping(value: Any, source: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{source}: Expected keys and values, but got {value!r}")
    return value
