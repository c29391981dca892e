"""The folder of a run that is written: refused, prepared, described. docs/run-folder.md describes the files."""

from __future__ import annotations

import json
import platform
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torchghm
from torchghm.atomic_files import LEFT_OVER, write_json, write_text
from torchghm.results.files import ComparisonFiles, RunFiles
from torchghm.training.recipes.changes import COMPUTING_KEYS
from torchghm.training.recipes.files import load_recipe, recipe_yaml
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.recipes.values import as_yaml, flattened, some_of

_MAY_DIFFER = COMPUTING_KEYS | {"data.evaluate", "trainer.evaluate_checkpoint"}
"""Keys of the recipe that may change when a run is resumed: how it computes, and its final evaluation."""

_MAY_GROW = {"trainer.epochs", "trainer.max_steps", "trainer.patience"}
"""Keys that may become larger when a run is resumed: it is extended. No limit is the largest."""

_RESULTS = ("cls", "box", "seed", "split", "epochs", "steps", "metrics")
"""Entries of results.json without which nothing can be said of a run."""

PACKAGES = ("torch", "torchvision", "timm", "lightning", "torchmetrics", "faster-coco-eval", "numpy", "numba", "triton")
"""Packages that the numbers of a run depend on; one that is not installed is left out."""


class RunFolder(RunFiles):
    """The folder of a run: refused, prepared and described, beside the names of its files.

    Arguments:
        path: the folder, which need not exist.
    """

    @property
    def holds_run(self) -> bool:
        """Whether the folder is ours to go on with or to replace; a recipe alone may be somebody's own file."""
        return self.versions.is_file() and '"torchghm"' in self.versions.read_text("utf-8", errors="replace")

    def checkpoint(self, which: str) -> Path:
        """Return the file of the checkpoint "last" or "best"."""
        return self.best if which == "best" else self.last

    def check(self, recipe: Recipe, *, overwrite: bool = False, resume: bool = False) -> None:
        """Refuse a folder that can't be written to, and change nothing.

        Raises:
            FileExistsError: it holds another run and may not be overwritten, or other things.
            ValueError: it is to be resumed with a recipe of other values; the message names them.
        """
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(
                f"Expected the output {str(self.path)!r} to be a folder or nothing, but got a file: name another "
                "one with --out"
            )
        if not self.holds_run:
            if self.path.is_dir() and not all(LEFT_OVER.fullmatch(entry.name) for entry in self.path.iterdir()):
                raise FileExistsError(
                    f"the folder {str(self.path)!r} is not empty and holds no run: not written to; name another one "
                    "with --out"
                )
        elif resume:
            self._check_same(recipe)
        elif not overwrite:
            raise FileExistsError(
                f"the folder {str(self.path)!r} holds another run: name another folder with --out, go on with "
                "--resume, or replace it with --overwrite"
            )

    def prepare(self, recipe: Recipe, device: str, *, resume: bool = False) -> None:
        """Make the folder ready for a run of a recipe: without ``resume``, a run that it holds is removed."""
        if self.holds_run and not resume:
            self._clear()
        for of_other_weights in (self.results, self.evaluation, self.worst_images):  # in a run that is extended
            of_other_weights.unlink(missing_ok=True)
        for folder in (self.path, self.checkpoints, self.sample_images):
            for left_over in folder.glob(".*"):
                if LEFT_OVER.fullmatch(left_over.name):
                    left_over.unlink()
        self._write_versions(device)  # first: with them alone the folder is known as a run's, to be gone on with
        self.write_recipe(recipe)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the resolved recipe."""
        write_text(self.recipe, recipe_yaml(recipe))

    def _write_versions(self, device: str) -> None:
        """Write the versions of the packages, the platform and the device."""
        packages = {name: version(name) for name in PACKAGES if find_spec(name.replace("-", "_"))}
        facts: dict[str, Any] = {"torchghm": torchghm.__version__, **packages, "python": platform.python_version()}
        write_json(self.versions, {**facts, "platform": platform.platform(), "device": device})

    def read_results(self) -> dict[str, Any]:
        """Return the final evaluation of a complete run.

        Raises:
            ValueError: the file can't be read, or holds something else.
        """
        try:
            results = json.loads(self.results.read_text("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{str(self.results)!r} can't be read: {error}") from error
        if not isinstance(results, dict) or not results.keys() >= set(_RESULTS):
            raise ValueError(f"Expected {str(self.results)!r} to hold {', '.join(_RESULTS)}, but got other content")
        return results

    def is_extended(self, recipe: Recipe) -> bool:
        """Return whether the run that the folder holds is to be trained longer than its own recipe says."""
        if not self.recipe.is_file():
            return False
        before, now = (flattened(values.plain()) for values in (load_recipe(self.recipe), recipe))
        return any(_grows(key, before[key], now[key]) for key in _MAY_GROW)

    def _check_same(self, recipe: Recipe) -> None:
        if not self.recipe.is_file():  # killed before it was written, or while an old run was being removed
            return
        before, now = (flattened(values.plain(), keep="_options") for values in (load_recipe(self.recipe), recipe))
        changed = [
            key
            for key in now
            if before.get(key) != now[key] and key not in _MAY_DIFFER and not _grows(key, before.get(key), now[key])
        ]
        if changed:
            differences = [f"{key} was {as_yaml(before.get(key))} and is {as_yaml(now[key])}" for key in changed]
            raise ValueError(
                f"the run in {str(self.path)!r} can't be resumed with another recipe: {some_of(differences)}; "
                "leave them as they were, name another folder with --out, or replace the run with --overwrite"
            )

    def _clear(self) -> None:
        for folder in (self.checkpoints, self.tensorboard, self.sample_images, self.worst_images.with_suffix("")):
            shutil.rmtree(folder, ignore_errors=True)
        results = (
            self.results,
            self.evaluation,
            self.worst_images,
            self.page,
            self.metrics,
            self.class_metrics,
            self.betas,
        )
        # The versions last: until then the folder is known as a run's.
        for file in (*results, self.gradient_norms, self.samples, self.recipe, self.versions):
            file.unlink(missing_ok=True)


def _grows(key: str, before: Any, now: Any) -> bool:
    return key in _MAY_GROW and before is not None and (now is None or now > before)


_WHAT_RUNS_ARE = "name the folder that `torchghm train` wrote, or a checkpoint in it"


def checkpoint_of(checkpoint: str | Path) -> Path:
    """Return the checkpoint file that a file or a run's folder stands for.

    Raises:
        FileNotFoundError: there is none; the message says whether there is a run, and how to go on.
    """
    path = Path(checkpoint)
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint and no run folder {str(path)!r}: {_WHAT_RUNS_ARE}")
    if not path.is_dir():
        return path
    folder = RunFolder(path)
    if ComparisonFiles(path).plan.is_file():
        first = next(path.glob("runs/*/seed-*"), None)
        named = "" if first is None else f", for example {str(first)!r}"
        raise FileNotFoundError(f"the folder {str(path)!r} holds a comparison: name one of its runs{named}")
    if not folder.recipe.is_file():
        raise FileNotFoundError(
            f"the folder {str(path)!r} holds no run, there is no {folder.recipe.name} in it: {_WHAT_RUNS_ARE}"
        )
    file = folder.checkpoint(load_recipe(folder.recipe).trainer.evaluate_checkpoint)
    if not file.is_file():
        raise FileNotFoundError(
            f"the run in {str(path)!r} was interrupted before its first checkpoint: there is no {str(file)!r}; "
            f"torchghm train --resume --out {path} goes on with it"
        )
    return file
