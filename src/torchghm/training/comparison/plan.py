"""The plan of a comparison: kept in its folder, it tells an interrupted comparison from another one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torchghm.atomic_files import write_json
from torchghm.data import DetectionData
from torchghm.results.files import ComparisonFiles, RunFiles
from torchghm.training.comparison.methods import Methods, named_methods
from torchghm.training.recipes.changes import COMPUTING_KEYS
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.values import as_yaml, flattened, some_of

_MAY_DIFFER = {f"recipe.{key}" for key in COMPUTING_KEYS}


@dataclass(frozen=True)
class Plan:
    """A comparison that was asked for. Runs of equal plans may stand in one table.

    Attributes:
        data: the folder, as it was given.
        annotations: a digest of the data's classes, images and boxes: the folder may hold other data by now.
        split: of the evaluation.
        methods: values of the recipe by the method's name.
        seeds: one run a method and seed.
        recipe: every value but those that the comparison sets itself.
    """

    data: str
    annotations: str
    split: str
    methods: dict[str, dict[str, Any]]
    seeds: tuple[int, ...]
    recipe: dict[str, Any]


def comparison_plan(
    data: str | os.PathLike[str],
    methods: Methods,
    seeds: Sequence[int],
    recipe: Recipe,
    split: str,
) -> tuple[Plan, DetectionData]:
    """Check a comparison, and return its plan and the data; nothing is written.

    Raises:
        FileNotFoundError: the data folder does not exist.
        ValueError: no methods or seeds, or the same twice; no such split, or one without boxes.
    """
    from torchghm.training.loop.recipe_data import annotations_digest, load_recipe_data, with_boxes

    named = named_methods(methods)
    integers = all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in seeds)
    if not seeds or not integers or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"Expected argument `seeds` to be at least one integer, 0 or more, each once, but got {list(seeds)}."
        )
    loaded = load_recipe_data(Path(data), recipe.data)
    with_boxes(loaded, split)  # now: a split without boxes is to be refused before the first run, not at its end
    values = recipe.plain()
    del values["seed"], values["data"]["evaluate"]  # the comparison sets its own
    return Plan(Path(data).as_posix(), annotations_digest(loaded), split, named, tuple(seeds), values), loaded


def write_plan(out: Path, plan: Plan, *, overwrite: bool) -> None:
    """Write the plan to its folder, unless that holds something else.

    Seeds and methods may have been added, and those left out of which no run is finished.

    Arguments:
        out: the comparison's folder.
        plan: of the comparison that is asked for.
        overwrite: remove an earlier comparison first.

    Raises:
        ValueError: the folder holds another comparison (the message says what differs), a run, or is a file.
    """
    files = ComparisonFiles(out)
    found = check_place(out)
    if overwrite:
        for path in found:
            _remove(path)
    elif found and (differences := list(_differences(_finished(out, _read(files.plan)), asdict(plan)))):
        raise ValueError(
            f"Expected argument `out` to be a new folder or one of the same plan, but {files.plan} has another "
            f"({some_of(differences)}): choose another folder, or replace this one with --overwrite."
        )
    write_json(files.plan, asdict(plan))


def check_place(out: Path) -> list[Path]:
    """Refuse a folder that is not a comparison's, and return what a comparison has written there.

    Raises:
        ValueError: it is a file, or holds a run or other things.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected argument `out` to be a folder, but {out} is a file. Choose another folder.")
    files, single = ComparisonFiles(out), RunFiles(out)
    if single.results.exists() or single.checkpoints.exists():
        raise ValueError(
            f"Expected argument `out` to be a comparison's folder, but {out} holds a single run. Choose another folder."
        )
    # The plan is written first and removed last: who finds the others without it takes them for somebody else's, and
    # `runs` may well be that.
    written = (files.runs, files.table, files.csv, files.markdown, files.page, files.plan)
    found = [path for path in written if path.exists()]
    if found and files.plan not in found:
        raise ValueError(
            f"Expected argument `out` to be a new folder or a comparison's, but {out} has "
            f"{', '.join(path.name for path in found)} and no {files.plan.name}. Choose another folder."
        )
    if not found and out.exists() and any(out.iterdir()):
        raise ValueError(
            f"Expected argument `out` to be a new folder or a comparison's, but {out} holds other files. "
            "Choose another folder."
        )
    return found


def comparison_call(plan: Plan, recipe: Recipe, out: Path, baseline: str) -> str:
    """Return the call that makes this comparison again, to be copied from the table."""
    usual = flattened(Recipe().plain())
    values = {key: value for key, value in flattened(recipe.plain()).items() if usual.get(key) != value}
    arguments = {
        "methods": plan.methods,
        "seeds": list(plan.seeds),
        "split": plan.split,
        "out": out.as_posix(),
        "baseline": baseline,
    }
    lines = [f"{plan.data!r},", *(f"{name}={value!r}," for name, value in arguments.items())]
    lines.append(f"recipe=Recipe().with_values({values!r}),")
    return "\n".join(["compare(", *(f"    {line}" for line in lines), ")"])


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Expected {path} to be JSON in UTF-8, but got: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"Expected {path} to hold an object, but got {type(values).__name__}.")
    return values


def _finished(out: Path, there: dict[str, Any]) -> dict[str, Any]:
    """Return the plan without the seeds and methods of which no run is finished, if any run is."""
    runs = [path.parent for path in out.glob("runs/*/seed-*/results.json")]
    methods, seeds = there.get("methods"), there.get("seeds")
    if not runs or not isinstance(methods, dict) or not isinstance(seeds, list):
        return there
    names, numbers = {run.parent.name for run in runs}, {run.name for run in runs}
    return there | {
        "methods": {name: changes for name, changes in methods.items() if name in names},
        "seeds": [seed for seed in seeds if f"seed-{seed}" in numbers],
    }


def _comparable(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan by dotted key, methods and seeds sorted: their order makes no difference."""
    plain = json.loads(json.dumps(plan))
    methods = plain.get("methods")
    values = flattened(plain | {"methods": sorted(methods)} if isinstance(methods, dict) else plain)
    if isinstance(methods, dict):
        values |= {f"method {name}": changes for name, changes in methods.items()}
    if isinstance(values.get("seeds"), list):
        values["seeds"] = sorted(values["seeds"], key=str)
    return {key: value for key, value in values.items() if key not in _MAY_DIFFER}


def _grows(key: str, there: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Return whether seeds or methods were added to those that there are."""
    if key in ("seeds", "methods"):
        old, new = there.get(key), asked.get(key)
        return isinstance(old, list) and isinstance(new, list) and all(value in new for value in old)
    method = key.removeprefix("method ")
    return method != key and key not in there and method not in (there.get("methods") or ())


def _differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    there, asked = _comparable(there), _comparable(asked)
    for key in dict.fromkeys([*asked, *there]):
        old, new = there.get(key), asked.get(key)
        told = key.startswith("method ") and new is None  # by the list of methods
        if old != new and not told and not _grows(key, there, asked):
            yield _difference(key, old, new)


def _difference(key: str, old: Any, new: Any) -> str:
    if key == "annotations":
        return "annotations: the data have changed since"
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{key}: {as_yaml(old)} there, {as_yaml(new)} asked for"
    changed = [name for name in dict.fromkeys([*new, *old]) if old.get(name) != new.get(name)]
    return f"{key}: " + some_of([_difference(name, old.get(name), new.get(name)) for name in changed], most=2)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
