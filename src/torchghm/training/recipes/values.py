"""Nested settings of a recipe: read from text, merged, and checked with errors that name the key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
Values = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, to which 1e-3 is a number as it is in YAML 1.2 (PyYAML asks for 1.0e-3)."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that is there twice, of which PyYAML takes the last."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if again := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(problem=f"the key {again[0]!r} is there twice{node.start_mark}")
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        ValueError: the text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def read_assignments(assignments: list[str]) -> Values:
    """Return ``["loss.cls=ce", "optimizer.lr=1e-3"]`` as ``{"loss.cls": "ce", "optimizer.lr": 0.001}``.

    Raises:
        ValueError: an entry that is not ``key=value``, or whose value is not YAML.
    """
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"Expected --set to be key=value, for example optimizer.lr=1e-3, but got {assignment!r}")
        try:
            values[key.strip()] = read_yaml(text)
        except ValueError as error:
            raise ValueError(f"--set {assignment}: the value is not YAML: {error}") from error
    return values


def nested(values: Mapping[str, Any]) -> Values:
    """Return ``{"loss.cls": "ce"}`` as ``{"loss": {"cls": "ce"}}``."""
    tree: Values = {}
    for key, value in values.items():
        *parents, last = key.split(".")
        branch = tree
        for depth, name in enumerate(parents):
            branch = branch.setdefault(name, {})
            if not isinstance(branch, dict):
                raise ValueError(f"{'.'.join(parents[: depth + 1])} and {key} can't be set at once")
        branch[last] = value
    return tree


def flattened(values: Mapping[str, Any], *, keep: str | None = None, prefix: str = "") -> Values:
    """Return nested values by dotted key: the inverse of `nested`.

    Arguments:
        values: nested; an empty mapping is a value.
        keep: mappings under a key with this ending stay whole; None for none.
        prefix: of every key.

    Examples:
        >>> flattened({"loss": {"cls": "ce"}, "seed": 3})
        {'loss.cls': 'ce', 'seed': 3}
    """
    result: Values = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value and not (keep is not None and key.endswith(keep)):
            result |= flattened(value, keep=keep, prefix=f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Values:
    """Return ``base`` with ``changes`` laid over it, section by section."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def checked(model: type[Model], values: Mapping[str, Any], source: str) -> Model:
    """Return the model of these values.

    Raises:
        ValueError: a key that is unknown or a value out of range; the message names ``source`` and the key.
    """
    for path in _unknown(model, values):
        raise ValueError(f"{source}: unknown key {path!r}{nearest(path, list(_keys(model)))}")
    for path, value in _flags(model, values):
        raise ValueError(f"{source}: Expected `{path}` to be no true or false, but got {str(value).lower()}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_sentence(model, problem) for problem in error.errors()]
        raise ValueError(f"{source}: {'; '.join(problems)}") from None


def some_of(differences: Sequence[str], most: int = 3) -> str:
    """Return the first few of a list as text, with the number of the others.

    Examples:
        >>> some_of(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    shown = ", ".join(differences[:most])
    return shown if len(differences) <= most else f"{shown} and {len(differences) - most} more"


def nearest(name: str, known: list[str]) -> str:
    """Return "; the nearest known one is ...", for the end of an error message."""

    def likeness(key: str) -> float:
        # Also of the last parts alone: a key may lack its section, or have a wrong one.
        pairs = ((name, key), (name.rpartition(".")[2], key.rpartition(".")[2]))
        return max(SequenceMatcher(None, *pair).ratio() for pair in pairs)

    return f"; the nearest known one is {max(known, key=likeness)!r}"


def _sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    annotations = {name: field.annotation for name, field in model.model_fields.items()}
    return {
        name: annotation
        for name, annotation in annotations.items()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel)
    }


def _keys(model: type[BaseModel]) -> Iterator[str]:
    sections = _sections(model)
    for name in model.model_fields:
        if name in sections:
            yield from (f"{name}.{key}" for key in _keys(sections[name]))
        else:
            yield name


def _flags(model: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield True and False in place of another kind of value: pydantic would take them for 1 and 0."""
    sections = _sections(model)
    for name, value in values.items():
        if name in sections and isinstance(value, Mapping):
            yield from _flags(sections[name], value, f"{prefix}{name}.")
        elif (
            isinstance(value, bool)
            and name in model.model_fields
            and not _takes_flags(model.model_fields[name].annotation)
        ):
            yield f"{prefix}{name}", value


def _takes_flags(annotation: Any) -> bool:
    return annotation is bool or any(map(_takes_flags, get_args(annotation)))


def _unknown(model: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    sections = _sections(model)
    for key, value in values.items():
        if key not in model.model_fields:
            yield f"{prefix}{key}"
        elif key in sections and isinstance(value, Mapping):
            yield from _unknown(sections[key], value, f"{prefix}{key}.")


def as_yaml(value: Any) -> str:
    """Return a value as a recipe has it, on one line.

    Examples:
        >>> as_yaml(None), as_yaml((96, 128)), as_yaml(True)
        ('null', '[96, 128]', 'true')
    """
    plain = list(value) if isinstance(value, tuple) else value
    try:
        text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    except yaml.YAMLError:  # an object of Python, which no recipe has
        return repr(value)
    return text.removesuffix("\n").removesuffix("...").strip()


_OF_A_LIST = ("tuple_type", "list_type", "missing", "too_short", "too_long")
"""Kinds of problems of a list: not one, or of another length."""


def _sentence(model: type[BaseModel], problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Value error, ").replace("Input should", "should")
    if problem["type"] == "value_error":  # our own, which say the key and what came
        return message
    # Where a value may be of several kinds, pydantic also puts their names in the path: constrained-int.
    path = [str(part) for part in problem["loc"] if isinstance(part, int) or part.isidentifier()]
    if problem["type"] in _OF_A_LIST:
        path = [part for part in path if not part.isdigit()]
        example = _example(model, path)
        message = "should be a list" if example is None else f"should be a list such as {as_yaml(example)}"
    message = message.replace("'", "").replace("True", "true").replace("False", "false").replace("None", "null")
    return f"{'.'.join(path)}: {message}, but got {as_yaml(problem['input'])}"


def _example(model: type[BaseModel], path: list[str]) -> Any:
    """Return the example of a key, None if it has none."""
    *sections, key = path
    for name in sections:
        model = _sections(model)[name]
    return next(iter(model.model_fields[key].examples or ()), None)
