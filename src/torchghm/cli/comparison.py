"""`torchghm compare` and `report`."""

from __future__ import annotations

import json
import shlex
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from torchghm.cli.early_checks import check_folder, read_settings
from torchghm.cli.errors import only_errors, plain_errors
from torchghm.cli.training import STRICT, Data, Overwrite, Progress, Quiet, RecipeName, Settings, Strict

if TYPE_CHECKING:
    from torchghm.training.comparison.methods import Methods
    from torchghm.training.recipes.recipe import Recipe

Method = tuple[str, str]


@plain_errors
def compare(
    data: Data,
    cls: Annotated[
        str | None, typer.Option("--cls", help="Classification losses: ce,focal,ghmc; docs/comparing.md has all.")
    ] = None,
    box: Annotated[str | None, typer.Option("--box", help="Box losses: smooth_l1,l1,asl1,ghmr,ghmr_published.")] = None,
    pairs: Annotated[
        str | None, typer.Option("--pairs", help="Instead of every --cls with every --box: ce+smooth_l1,ghmc+ghmr.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="Instead: a comparison by name, or its YAML file; see docs/comparing.md."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Runs of each method, at least 1.")] = 3,
    split: Annotated[
        str | None, typer.Option("--eval", help='Split to judge by: "test", or several: "val,test".')
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="The method that others are measured by: ce+smooth_l1, or ce alone."),
    ] = None,
    recipe: RecipeName = None,
    settings: Settings = [],  # noqa: B006 (Typer's way to say "none")
    strict: Strict = False,
    out: Annotated[Path, typer.Option("--out", help="Folder of the comparison.")] = Path("runs", "comparison"),
    overwrite: Overwrite = False,
    progress: Progress = True,
    quiet: Quiet = False,
) -> None:
    """Train with several losses and seeds, and tabulate the differences.

    All runs of a seed have the same initialisation, data order and budget. The same command again goes on with an
    interrupted comparison; one with more seeds or methods adds their runs. Without --cls, --box, --pairs and --preset:
    ce, focal and ghmc, each with smooth_l1.
    """
    check_folder(data)
    if seeds < 1:
        raise ValueError(f"Expected --seeds to be at least 1, but got {seeds}")
    from torchghm.training.comparison.methods import choices
    from torchghm.training.comparison.plan import check_place
    from torchghm.training.recipes.values import read_assignments

    check_place(out)
    settings = [*settings, *(STRICT if strict else [])]
    if "seed" in (assigned := read_assignments(settings)):
        raise ValueError(
            f"Expected --seeds N, which trains with the seeds 0 to N - 1, but got --set seed={assigned['seed']}"
        )
    methods: Methods | str
    if preset is None:
        values, found = read_settings(settings, recipe)
        methods = _methods(found, cls, box, pairs)
    elif cls is not None or box is not None or pairs is not None:
        raise ValueError("Expected --preset, or --cls, --box and --pairs, but got both")
    else:
        values, methods = assigned, preset
    chosen = choices(data, methods, baseline, recipe, values)

    from rich.console import Console

    from torchghm.report import write_report
    from torchghm.results.files import ComparisonFiles
    from torchghm.training.comparison.run import compare as run
    from torchghm.training.comparison.table import terminal_table
    from torchghm.training.loop.processes import is_first

    try:
        with only_errors(quiet):
            folder = run(
                data,
                methods=chosen.methods,
                seeds=list(range(seeds)),
                recipe=chosen.recipe,
                split=split or chosen.recipe.data.evaluate,
                out=out,
                baseline=chosen.baseline,
                overwrite=overwrite,
                progress=progress and not quiet,
                command=shlex.join(["torchghm", *sys.argv[1:]]),
            )
    except KeyboardInterrupt:
        same = "the same command without --overwrite" if overwrite else "the same command"
        raise KeyboardInterrupt(f"interrupted; {same} goes on from here") from None
    if not is_first():
        return
    page = write_report(folder)
    if quiet:
        return
    Console().print(terminal_table(json.loads(ComparisonFiles(folder).table.read_text("utf-8"))))
    typer.echo(f"comparison: {folder}\npage: {page}")


@plain_errors
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN|COMPARISON", help="A run's or a comparison's folder.")],
    out: Annotated[Path | None, typer.Option("--out", help="HTML file; report.html in the folder by default.")] = None,
) -> None:
    """Write a page that shows what happened: one HTML file that opens without a network."""
    from torchghm.results.files import check_results

    check_results(folder)
    from torchghm.report import write_report

    typer.echo(f"page: {write_report(folder, out)}")


def _methods(recipe: Recipe, cls: str | None, box: str | None, pairs: str | None) -> list[Method]:
    from torchghm.training.comparison.methods import DEFAULT_METHODS
    from torchghm.training.recipes.named_losses import BOX_LOSSES, CLS_LOSSES

    if pairs is not None and (cls is not None or box is not None):
        raise ValueError("Expected --pairs, or --cls and --box, but got both")
    if pairs is not None:
        methods = [_pair(entry) for entry in _entries(pairs)]
    elif cls is None and box is None:
        methods = list(DEFAULT_METHODS)
    else:
        methods = list(
            product(
                _entries(recipe.loss.cls if cls is None else cls), _entries(recipe.loss.box if box is None else box)
            )
        )
    for cls_name, box_name in methods:
        for name, option, known in ((cls_name, "--cls", CLS_LOSSES), (box_name, "--box", BOX_LOSSES)):
            if name not in known:
                raise ValueError(
                    f"Expected {option} (in --pairs: its part) to be one of {', '.join(known)}, but got {name!r}"
                )
    return methods


def _entries(text: str) -> list[str]:
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise ValueError(f"Expected names joined by commas, but got {text!r}")
    return entries


def _pair(entry: str) -> Method:
    cls, plus, box = entry.partition("+")
    if not plus:
        raise ValueError(f"Expected --pairs to be CLS+BOX, for example ghmc+ghmr, but got {entry!r}")
    return cls.strip(), box.strip()
