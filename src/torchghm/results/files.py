"""The names of the files that a run and a comparison write (docs/run-folder.md)."""

from __future__ import annotations

from pathlib import Path


class RunFiles:
    """The files of a run.

    Arguments:
        path: the run's folder.

    Examples:
        >>> RunFiles("runs/first").best.as_posix()
        'runs/first/checkpoints/best.ckpt'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.versions = self.path / "versions.json"
        self.metrics = self.path / "metrics.csv"
        self.class_metrics = self.path / "class_metrics.csv"
        self.betas = self.path / "beta_history.csv"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.checkpoints / "last.ckpt"
        self.best = self.checkpoints / "best.ckpt"
        self.nonfinite = self.checkpoints / "nonfinite.json"
        self.gradient_norms = self.path / "gradient_norms.npz"
        self.samples = self.path / "samples.json"
        self.sample_images = self.path / "samples"
        self.evaluation = self.path / "evaluation.json"
        self.worst_images = self.path / "worst_images.json"
        self.results = self.path / "results.json"  # written last: a folder that has it is complete
        self.page = self.path / "report.html"


class ComparisonFiles:
    """The files of a comparison.

    Arguments:
        path: the comparison's folder.

    Examples:
        >>> ComparisonFiles("comparison").run("ghmc+ghmr", seed=0).as_posix()
        'comparison/runs/ghmc+ghmr/seed-0'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.plan = self.path / "plan.json"
        self.runs = self.path / "runs"
        self.table = self.path / "comparison.json"
        self.csv = self.path / "comparison.csv"
        self.markdown = self.path / "comparison.md"
        self.page = self.path / "report.html"

    def run(self, method: str, seed: int) -> Path:
        """Return the folder of a method's run with a seed."""
        return self.runs / method / f"seed-{seed}"


def check_results(folder: Path) -> None:
    """Refuse a folder that has no results of a run or a comparison.

    Raises:
        FileNotFoundError: the folder is named, with what it is instead.
    """
    run, comparison = RunFiles(folder), ComparisonFiles(folder)
    if comparison.table.is_file() or run.results.is_file():
        return
    if comparison.plan.is_file():
        found = "a comparison of which no run is finished: the command that began it goes on with it"
    elif run.versions.is_file():
        found = f"an interrupted run: torchghm train --resume --out {folder} goes on with it"
    else:
        found = "neither" if folder.is_dir() else "a file" if folder.exists() else "no such folder"
    raise FileNotFoundError(
        f"Expected {str(folder)!r} to be a run folder with {run.results.name} or a comparison folder with "
        f"{comparison.table.name}, but found {found}"
    )
