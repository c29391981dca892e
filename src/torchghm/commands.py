"""The commands as functions: `torchghm.train`, `compare`, `evaluate`, and `load_detector` for what they made.

Each does what the command of its name does, writes the same folders, and returns what is in them with types.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import torch

    from torchghm.data import DetectionData
    from torchghm.results.comparison import Comparison
    from torchghm.results.evaluation import Evaluation
    from torchghm.results.run import Run
    from torchghm.training.recipes.recipe import Recipe
    from torchghm.training.trained_detector import TrainedDetector

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _needs_training(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a missing package's error name the extra to install: `import torchghm` needs torch alone."""

    @functools.wraps(function)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if "pip install" in str(error):
                raise
            raise ModuleNotFoundError(
                f"torchghm.{function.__name__} needs {error.name}, which is not installed: "
                "pip install 'torchghm[train]'",
                name=error.name,
            ) from error

    return run


@_needs_training
def train(
    data: str | Path | DetectionData,
    *,
    recipe: Recipe | str | Path | Mapping[str, Any] | None = None,
    out: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> Run:
    """Train a detector, and evaluate it: `torchghm train`.

    Arguments:
        data: the data set, or its folder.
        recipe: a recipe, its name or its file; or changes by dotted key of the one that fits the data, as ``--set``
            makes them. `torchghm.training.load_recipe` makes a recipe of a name and changes. None is the one that fits,
            or when a run is resumed the run's own.
        out: folder of the run, see docs/run-folder.md.
        resume: go on with the run that it holds, from its last checkpoint; start it if there is none.
        overwrite: replace the run that it holds.
        progress: show on the standard error how far it is.

    Returns:
        The run; `Run.to_pandas` has its metrics by epoch. The same on every process of several.

    Raises:
        FileNotFoundError: no such data, recipe or weights.
        FileExistsError: ``out`` holds another run, or other things.
        ValueError: unusable data, or a recipe that does not fit.

    Examples:
        >>> run = torchghm.train("DIR", recipe="finetune", out="runs/first")  # doctest: +SKIP
        >>> run.metrics["ap50"], run.to_pandas()["val/ap"].max()  # doctest: +SKIP
        (0.71, 0.46)
    """
    from torchghm.results.run import read_run
    from torchghm.training.loop.processes import broadcast_object, is_first, process_count
    from torchghm.training.run import train as run

    if isinstance(recipe, Mapping):
        data, recipe = _fitting(data, recipe)
    run(data, recipe=recipe, out=out, resume=resume, overwrite=overwrite, progress=progress)
    # Sent: another machine may not see yet what the first one wrote.
    return broadcast_object(read_run(out) if is_first() or process_count() == 1 else None)  # type: ignore[return-value]


@_needs_training
def compare(
    data: str | Path,
    *,
    methods: Sequence[tuple[str, str]] | Mapping[str, Mapping[str, Any]] | str | Path | None = None,
    seeds: int | Sequence[int] = 3,
    recipe: Recipe | str | Path | Mapping[str, Any] | None = None,
    baseline: str | None = None,
    out: str | Path,
    overwrite: bool = False,
    progress: bool = True,
) -> Comparison:
    """Train with several losses and seeds, and tabulate the differences: `torchghm compare`.

    Arguments:
        data: folder of the data set.
        methods: pairs of a classification and a box loss, ``[("ce", "smooth_l1"), ("ghmc", "ghmr")]``; or values of
            the recipe by the method's name; or the name or file of a preset. None is ce, focal and ghmc with smooth_l1.
        seeds: how many, or which.
        recipe: of every run, as for `train`; its ``data.evaluate`` is the split to judge by.
        baseline: the method that others are measured by; None is the preset's, or the first.
        out: folder of the comparison. The same call again goes on with an interrupted one.
        overwrite: replace the comparison that it holds.
        progress: show on the standard error how far it is.

    Returns:
        The comparison; `Comparison.to_pandas` is its table. Its page is report.html in the folder.

    Raises:
        FileNotFoundError: no such data, recipe or preset.
        ValueError: unusable data, a method, seed or baseline that there is not, or a folder of another comparison.

    Examples:
        >>> found = torchghm.compare("DIR", methods="fine_tuning", out="runs/compared")  # doctest: +SKIP
        >>> found.to_pandas().query("metric == 'ap50'")  # doctest: +SKIP
    """
    from torchghm.report import write_report
    from torchghm.results.comparison import read_comparison
    from torchghm.training.comparison.methods import DEFAULT_METHODS, choices
    from torchghm.training.comparison.run import compare as run
    from torchghm.training.loop.processes import barrier, broadcast_object, is_first, process_count

    said, changes = (None, recipe) if isinstance(recipe, Mapping) else (recipe, {})
    chosen = choices(data, DEFAULT_METHODS if methods is None else methods, baseline, said, changes)
    folder = run(
        data,
        methods=chosen.methods,
        seeds=range(seeds) if isinstance(seeds, int) else seeds,
        recipe=chosen.recipe,
        split=chosen.recipe.data.evaluate,
        out=out,
        baseline=chosen.baseline,
        overwrite=overwrite,
        progress=progress,
    )
    barrier()
    if is_first():
        write_report(folder)
    return broadcast_object(read_comparison(folder) if is_first() or process_count() == 1 else None)  # type: ignore[return-value]


@_needs_training
def evaluate(
    run: str | Path,
    data: str | Path | DetectionData,
    split: str | None = None,
    *,
    device: str | torch.device | None = None,
    write: bool = True,
) -> Evaluation:
    """Measure average precision, the threshold to deploy and the kinds of errors of a detector: `torchghm eval`.

    Thresholds are chosen on the split "val", whichever is evaluated.

    Arguments:
        run: the folder of a run, or a checkpoint.
        data: the data set, or its folder.
        split: one, or several joined by commas ("val,test"); by default the recipe's ``data.evaluate``.
        device: by default a GPU if there is one.
        write: where ``run`` is a folder, leave evaluation.json and the images with most errors in it.

    Returns:
        The numbers; `Evaluation.to_pandas` has the AP by class, `Evaluation.diagnosis` the rest.

    Raises:
        FileNotFoundError: no such checkpoint or data.
        ValueError: unusable data, a split that they do not have, a checkpoint of other classes, no such device.

    Examples:
        >>> torchghm.evaluate("runs/first", "DIR", "test").metrics["ap"]  # doctest: +SKIP
        0.46
    """
    from torchghm.training.evaluation.evaluate import evaluate as measured

    return measured(run, data, split, device=device, write=write)


@_needs_training
def load_detector(run: str | Path, *, device: str | torch.device | None = None) -> TrainedDetector:
    """Return the detector that `torchghm train` made, in evaluation mode.

    Arguments:
        run: the folder of a run, whose recipe says whether the last or the best checkpoint is taken; or a checkpoint.
        device: by default a GPU if there is one.

    Returns:
        The detector, called with a list of images; its classes and its recipe are attributes.

    Raises:
        FileNotFoundError: no such run or checkpoint.
        ValueError: a file that is no checkpoint, or no such device.

    Examples:
        >>> detector = torchghm.load_detector("runs/first")  # doctest: +SKIP
        >>> detector.classes, detector([image])[0]["boxes"]  # doctest: +SKIP
    """
    from torchghm.training.evaluation.evaluate import usable_device
    from torchghm.training.loop.checkpoints import load_checkpoint
    from torchghm.training.run_folder import checkpoint_of
    from torchghm.training.trained_detector import TrainedDetector

    where = usable_device(device)
    saved = load_checkpoint(checkpoint_of(run))
    return TrainedDetector(saved.module().detector, saved.classes, saved.recipe).to(where).eval()


def _fitting(data: str | Path | DetectionData, changes: Mapping[str, Any]) -> tuple[DetectionData, Recipe]:
    from torchghm.data import DetectionData
    from torchghm.training.loop.recipe_data import load_fitting
    from torchghm.training.recipes.fitting import fitting_recipe

    if isinstance(data, DetectionData):
        return data, fitting_recipe(len(data.select("train")), changes)
    return load_fitting(data, changes)
