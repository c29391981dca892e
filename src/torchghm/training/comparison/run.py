"""The comparison: several losses, the same seeds, and for each seed the same start, data order and budget."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchghm.atomic_files import write_json, write_text
from torchghm.data import DetectionData
from torchghm.results.files import ComparisonFiles
from torchghm.training.comparison.methods import Methods, method_named
from torchghm.training.comparison.plan import Plan, comparison_call, comparison_plan, write_plan
from torchghm.training.comparison.table import (
    RunResults,
    comparison_csv,
    comparison_markdown,
    tabulate,
    terminal_table,
)
from torchghm.training.loop.data_order import check_batch_size
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.run_folder import RunFolder

if TYPE_CHECKING:
    from torchghm.training.loop.progress import RunOfSeveral

Train = Callable[..., Mapping[str, Any]]


def compare(
    data: str | os.PathLike[str],
    *,
    methods: Methods,
    seeds: Sequence[int],
    recipe: Recipe,
    split: str,
    out: str | os.PathLike[str],
    baseline: str | None = None,
    progress: bool = True,
    overwrite: bool = False,
    command: str | None = None,
    train: Train | None = None,
) -> Path:
    """Train every pair of losses with every seed under one recipe, and tabulate what the differences show.

    The runs of one seed start from the same parameters, see the same images in the same order and take the same number
    of steps; only the losses differ. Options and weights of a loss in the recipe (``loss.cls_options``,
    ``loss.cls_weight`` and those of ``box``) apply to the loss that the recipe names; every other loss has its own
    defaults.

    All methods finish a seed before the next one starts, the baseline first, and the tables are written anew after
    every run. An interrupted comparison is continued by the same call: finished runs stay, an unfinished one goes on
    from its last checkpoint. A call with more seeds or methods adds their runs.

    Arguments:
        data: the data set's folder.
        methods: pairs of classification and box loss, for example ``[("focal", "smooth_l1"), ("ghmc", "ghmr")]``; or
            values of the recipe by the name that the method gets, for example ``{"slow": {"loss.cls_options.momentum":
            0.99}, "fast": {"loss.cls_options.momentum": 0.5}}``.
        seeds: at least one; two or more for an interval.
        recipe: of every run, but for what its method sets, its seed and ``data.evaluate``.
        split: to evaluate on; ``"val,test"`` joins two.
        out: the comparison's folder, laid out as docs/run-folder.md describes.
        baseline: what the others are compared with, for example ``"focal+smooth_l1"``, or ``"focal"`` where only one
            method begins so; None is the first method. It may change from call to call.
        progress: show on the standard error which run is under way, how far it is, and the table between seeds.
        overwrite: remove an earlier comparison from the folder, and start anew.
        command: what made the table, to be stated in it; None is this call.
        train: what trains a run; None is `torchghm.training.run.train`.

    Returns:
        The folder. `torchghm.training.comparison.table.terminal_table` shows its ``comparison.json``.

    Raises:
        FileNotFoundError: the data folder does not exist.
        ValueError: a method, seed, split or baseline that there is not; data that cannot be used; a folder that holds
            another plan (the message says what differs) or something else.

    Examples:
        >>> compare(
        ...     "demo/scenes",
        ...     methods=[("focal", "smooth_l1"), ("ghmc", "ghmr")],
        ...     seeds=[0, 1, 2],
        ...     recipe=load_recipe("demo"),
        ...     split="test",
        ...     out="demo/comparison",
        ... )  # doctest: +SKIP
        PosixPath('demo/comparison')
    """
    from rich.console import Console

    from torchghm.training.loop.processes import broadcast_object, is_first, join
    from torchghm.training.loop.progress import RunOfSeveral

    if train is None:
        from torchghm.training.run import train as train_run

        train = train_run
    out = Path(out)
    plan, loaded = comparison_plan(data, methods, seeds, recipe, split)
    baseline = next(iter(plan.methods)) if baseline is None else method_named(baseline, list(plan.methods))
    # All recipes now: a name that no loss has is to be refused before the first run, not after it.
    recipes = _recipes(plan, recipe, split, baseline)
    _check(
        {pair[0]: one for pair, one in recipes.items() if overwrite or not _folder(out, *pair).results.exists()}, loaded
    )
    # With several devices every process comes here and trains, and the first one alone writes.
    join(recipe.trainer.accelerator)
    first = is_first()
    command = command or comparison_call(plan, recipe, out, baseline)
    if first:
        write_plan(out, plan, overwrite=overwrite)
        # The last call may have been interrupted between a run's end and the table's, or have had another baseline.
        if any(_folder(out, baseline, seed).results.exists() for seed in plan.seeds):
            _write_tables(out, plan, recipes, baseline, command)
    # Another process may look before the first one has removed what is to be overwritten: those of a launcher have
    # met by now and are told, and the trainer's own are started with the first run.
    pending = broadcast_object([pair for pair in recipes if overwrite or not _folder(out, *pair).results.exists()])
    console = Console(stderr=True) if progress and first else None
    durations: list[float] = []
    for index, (name, seed) in enumerate(pending):
        left = len(pending) - index
        place = RunOfSeveral(len(recipes) - left, len(recipes))
        if console is not None:
            heading = _heading(place, name, seed) + _time_left(durations, left)
            console.print(heading, style="bold", highlight=False, markup=False)
        started = time.monotonic()
        _run_one(train, loaded, recipes[name, seed], _folder(out, name, seed), place if progress else False)
        durations.append(time.monotonic() - started)
        if first:
            comparison = _write_tables(out, plan, recipes, baseline, command)
            if console is not None and left > 1 and pending[index + 1][1] != seed:
                console.print(terminal_table(comparison))
    return out


def _recipes(plan: Plan, recipe: Recipe, split: str, baseline: str) -> dict[tuple[str, int], Recipe]:
    """Return the recipe of every run by method and seed, in the order of the runs: seed by seed, the baseline first."""
    return {
        (name, seed): recipe.with_values(
            {**plan.methods[name], "seed": seed, "data.evaluate": split}, source=f"method {name}"
        )
        for seed in plan.seeds
        for name in sorted(plan.methods, key=lambda method: method != baseline)
    }


def _run_one(
    train: Train, data: DetectionData, recipe: Recipe, folder: RunFolder, progress: bool | RunOfSeveral
) -> None:
    """Train one method with one seed, or go on with an interrupted run of it."""
    from torchghm.training.loop.processes import is_first

    # Also where there is nothing to resume: a folder without a checkpoint has its run started again.
    train(data, recipe=recipe, out=folder.path, resume=True, progress=progress)
    if is_first() and not folder.results.exists():
        raise FileNotFoundError(f"Expected argument `train` to write {folder.results}, but it is not there.")


def _check(methods: Mapping[str, Recipe], data: DetectionData) -> None:
    """Refuse before the first run what the data or the machine don't allow in a later one."""
    from torchghm.training.recipes.detector import build_from_recipe

    built: list[object] = []
    for name, recipe in methods.items():
        form = (recipe.model, recipe.loss, recipe.data.image_size)
        try:
            check_batch_size(
                len(data.select("train")), recipe.data.batch_size, processes=1, accumulate=recipe.trainer.accumulate
            )
            if form not in built:
                build_from_recipe(recipe, len(data.classes))
        except ValueError as error:
            raise ValueError(f"method {name}: {error}") from error
        built.append(form)


def _folder(out: Path, name: str, seed: int) -> RunFolder:
    return RunFolder(ComparisonFiles(out).run(name, seed))


def _heading(place: RunOfSeveral, name: str, seed: int) -> str:
    bar = _bar(place.finished / place.runs)
    return f"{bar} run {place.finished + 1} of {place.runs}: {name}, seed {seed}"


def _bar(done: float, width: int = 20) -> str:
    """Return the part of all runs that is done as a bar, which a log file holds as well."""
    filled = round(done * width)
    return "━" * filled + "─" * (width - filled)


def _time_left(durations: Sequence[float], runs: int) -> str:
    if not durations:
        return ""
    return f", about {math.ceil(sum(durations) / len(durations) * runs / 60)} min left"


def _write_tables(
    out: Path, plan: Plan, recipes: Mapping[tuple[str, int], Recipe], baseline: str, command: str
) -> dict[str, Any]:
    """Write comparison.json, .csv and .md from the finished runs, and return what the first holds."""
    finished: dict[str, dict[int, tuple[str, RunResults]]] = {name: {} for name in plan.methods}
    versions: dict[str, dict[str, None]] = {}
    for name in plan.methods:
        for seed in plan.seeds:
            folder = _folder(out, name, seed)
            if not folder.results.exists():
                continue
            finished[name][seed] = (folder.path.relative_to(out).as_posix(), _read_results(folder, recipes[name, seed]))
            if folder.versions.exists():
                for program, version in json.loads(folder.versions.read_text("utf-8")).items():
                    versions.setdefault(program, {})[str(version)] = None
    comparison = {
        "data": plan.data,
        "split": plan.split,
        **tabulate(finished, baseline=baseline, seeds=plan.seeds),
        # Runs of several calls may have been made with unlike versions: the reader should know.
        "versions": {program: " and ".join(found) for program, found in versions.items()},
        "command": command,
    }
    files = ComparisonFiles(out)
    write_json(files.table, comparison)
    write_text(files.csv, comparison_csv(comparison))
    write_text(files.markdown, comparison_markdown(comparison))
    return comparison


def _read_results(folder: RunFolder, recipe: Recipe) -> RunResults:
    results = folder.read_results()
    found = f"{results.get('cls')}+{results.get('box')}, seed {results.get('seed')}"
    wanted = f"{recipe.loss.cls}+{recipe.loss.box}, seed {recipe.seed}"
    if found != wanted:
        raise ValueError(f"Expected {folder.results} to be of {wanted}, but got {found}.")
    for metric, value in results["metrics"].items():
        if value is not None and not math.isfinite(value):
            raise ValueError(f"Expected `{metric}` in {folder.results} to be a finite number or null, but got {value}.")
    return results
