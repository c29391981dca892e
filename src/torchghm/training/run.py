"""One training run, from a data set and a recipe to a run folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer

import torchghm
from torchghm import mkl
from torchghm.atomic_files import write_json
from torchghm.data import DetectionData
from torchghm.training.evaluation.evaluate import evaluate_records
from torchghm.training.evaluation.gradient_norms import write_gradient_norms
from torchghm.training.evaluation.samples import write_samples
from torchghm.training.initial_weights import load_initial_weights
from torchghm.training.label_memory import KeepLabelMemory, check_same_labels
from torchghm.training.loop.checkpoints import SavedDetector, load_checkpoint
from torchghm.training.loop.data_order import check_batch_size
from torchghm.training.loop.datamodule import DetectionDataModule
from torchghm.training.loop.lightning_messages import without_lightning_messages
from torchghm.training.loop.module import DetectorModule
from torchghm.training.loop.nonfinite import NonFiniteGuard
from torchghm.training.loop.processes import (
    SameEverywhere,
    barrier,
    broadcast_object,
    is_first,
    process_count,
)
from torchghm.training.loop.progress import RunOfSeveral
from torchghm.training.loop.recipe_data import annotations_digest, load_fitting, load_recipe_data, with_boxes
from torchghm.training.opening import opening
from torchghm.training.recipes.files import load_recipe
from torchghm.training.recipes.fitting import fitting_recipe
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.run_folder import RunFolder
from torchghm.training.trainer import build_trainer, fit

_log = logging.getLogger("torchghm")


def train(
    data: str | Path | DetectionData,
    *,
    recipe: Recipe | str | Path | None = None,
    out: str | Path,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool | RunOfSeveral = True,
) -> dict[str, Any]:
    """Train a detector, and evaluate it.

    Arguments:
        data: the data set, or its folder, read as the recipe says.
        recipe: a recipe, its name or its file; None is the one that fits the data, or when a run is resumed the run's
            own.
        out: folder of the run, see docs/run-folder.md.
        overwrite: replace the run that it holds.
        resume: go on with the run that it holds, from its last checkpoint; a complete one is left as it is,
            or trained on if the recipe has more epochs or steps than before. Start it if there is none.
        progress: show how far it is, and with a place among several runs how far they are.

    Returns:
        The contents of results.json; nothing on processes other than the first.

    Raises:
        FileNotFoundError: no such data, recipe or weights.
        FileExistsError: ``out`` holds another run, or other things.
        ValueError: unusable data, a recipe that does not fit, or a run of another recipe, classes or training labels.
        NonFiniteError: a loss was not finite, and the recipe says to stop then.
        KeyboardInterrupt: Ctrl-C; the last checkpoint is kept.

    Examples:
        >>> train("scenes", recipe="demo", out="runs/demo")["metrics"]["ap50"]  # doctest: +SKIP
        0.71
    """
    folder = RunFolder(out)
    recipe, data = _recipe_and_data(data, recipe, folder, resume=resume)
    with without_lightning_messages():
        trainer, history = build_trainer(recipe, folder, progress=progress)
    first = is_first()
    if first:
        folder.check(recipe, overwrite=overwrite, resume=resume)
    if not isinstance(data, DetectionData):
        data = load_recipe_data(data, recipe.data)
    with_boxes(data, recipe.data.evaluate)  # an error now, not after hours
    datamodule = DetectionDataModule(data, recipe)
    check_batch_size(
        len(datamodule.train_records),
        recipe.data.batch_size,
        processes=trainer.world_size,
        accumulate=recipe.trainer.accumulate,
    )
    saved = _last_checkpoint(folder, datamodule, trainer.strategy.root_device) if resume else None
    # Before the look at the results, which the first process removes before it writes the longer recipe.
    extended = saved is not None and folder.is_extended(recipe)
    if resume and folder.results.is_file() and not extended:
        return _finished(folder, recipe, data, trainer.strategy.root_device)
    module = DetectorModule(
        recipe,
        data.classes,
        steps_per_epoch=datamodule.steps_per_epoch,
        guard=NonFiniteGuard(recipe.trainer.on_nonfinite, datamodule.train_records.name, folder.nonfinite),
        with_weights=saved is None and recipe.model.init is None,
        skipped_steps=0 if saved is None else max(0, saved.epochs * datamodule.steps_per_epoch - saved.steps),
    )
    anew = load_initial_weights(module) if saved is None else None
    device = _device_name(trainer.strategy.root_device)
    if first:
        folder.prepare(recipe, device, resume=resume)
    if progress and first:
        block = opening(data, recipe, device=device, steps=module.total_steps, anew=anew)
        print(block, file=sys.stderr, flush=True)
    trainer.callbacks = _callbacks(trainer, recipe, datamodule, saved)  # type: ignore[attr-defined]
    with without_lightning_messages():
        fit(trainer, module, datamodule, folder.last, resumed=saved is not None)
    if progress and first:
        print(f"evaluating on {recipe.data.evaluate}", file=sys.stderr)
    return _finish(folder, data, trainer.strategy.root_device, history.seconds)


def _recipe_and_data(
    data: str | Path | DetectionData, recipe: Recipe | str | Path | None, folder: RunFolder, *, resume: bool
) -> tuple[Recipe, str | Path | DetectionData]:
    """Return the recipe of a run; and its data, read where the recipe has to fit them."""
    own = folder.recipe if resume and recipe is None and folder.recipe.is_file() else recipe
    if own is not None:
        return load_recipe(own), data
    if isinstance(data, DetectionData):
        return fitting_recipe(len(data.select("train"))), data
    data, recipe = load_fitting(data)
    return recipe, data


def _last_checkpoint(folder: RunFolder, datamodule: DetectionDataModule, device: torch.device) -> SavedDetector | None:
    """Return the checkpoint that a resumed run goes on from, None if there is none."""
    first = is_first()
    if not folder.last.is_file():
        if first and folder.path.is_dir():
            _log.warning("%s has no checkpoint to go on from: the training starts from the beginning", folder.path)
        return None
    saved = load_checkpoint(folder.last)
    saved.check_classes(datamodule.data.classes)
    check_same_labels(saved, datamodule.train_records)
    if first and device.type == "cpu" and not mkl.is_reproducible():
        _log.warning(
            "resuming: the run may end in other bits than an uninterrupted one, because %s is not set; call "
            "torchghm.mkl.set_reproducible() before torch is imported, in this run and in the one it goes on from",
            mkl.VARIABLE,
        )
    return saved


def _callbacks(
    trainer: Trainer, recipe: Recipe, datamodule: DetectionDataModule, saved: SavedDetector | None
) -> list[Callback]:
    """Return a trainer's callbacks with those that need the data: the memory of labels first, if there is one."""
    own: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    keep = [KeepLabelMemory(datamodule.train_records, recipe.trainer.epochs)] if recipe.trainer.label_memory else []
    return [*keep, *own, SameEverywhere(_facts(recipe, datamodule.data, saved))]


def _finished(folder: RunFolder, recipe: Recipe, data: DetectionData, device: torch.device) -> dict[str, Any]:
    """Return the results of a complete run; evaluate it again where that is asked for in another way."""
    first = is_first()
    if not first and process_count() == 1:
        return {}  # the processes have not met: the first one does it alone
    results, before = broadcast_object((folder.read_results(), load_recipe(folder.recipe)))
    # Of the results: the folder's recipe is that of an evaluation which may have been interrupted.
    done = (results["split"], results.get("checkpoint", before.trainer.evaluate_checkpoint))
    if (recipe.data.evaluate, recipe.trainer.evaluate_checkpoint) == done:
        return results if first else {}
    if first:
        folder.write_recipe(recipe)
    return _finish(folder, data, device, results.get("seconds", 0.0))


def _finish(folder: RunFolder, data: DetectionData, device: torch.device, seconds: float) -> dict[str, Any]:
    """Evaluate the checkpoint that the recipe says, and write what the page shows; nothing but on the first process."""
    first = is_first()
    # Sent rather than read by all: another machine may still see the file that was there before.
    saved = broadcast_object(_saved(folder) if first else None)
    assert saved is not None
    recipe = saved.recipe
    records = with_boxes(data, recipe.data.evaluate)
    module = saved.module().to(device)
    result, images = evaluate_records(module, records)
    if not first:
        barrier()  # what follows for whoever called this may need the results
        return {}
    write_samples(folder.samples, records, images, data.classes)
    write_gradient_norms(folder.gradient_norms, module, records)
    results = {
        "name": f"{recipe.loss.cls} + {recipe.loss.box}",
        "cls": recipe.loss.cls,
        "box": recipe.loss.box,
        "seed": recipe.seed,
        "split": recipe.data.evaluate,
        "checkpoint": recipe.trainer.evaluate_checkpoint,
        "epochs": saved.epochs,
        "steps": saved.steps,
        "seconds": round(seconds, 3),
        "classes": list(data.classes),
        "metrics": result.metrics,
        "per_class": result.per_class,
        "boxes_per_class": dict(
            zip(
                data.classes,
                np.bincount(records.labels[~records.crowd], minlength=len(data.classes)).tolist(),
                strict=True,
            )
        ),
    }
    write_json(folder.results, results)
    barrier()
    return results


def _saved(folder: RunFolder) -> SavedDetector:
    recipe = load_recipe(folder.recipe)
    saved = load_checkpoint(folder.checkpoint(recipe.trainer.evaluate_checkpoint))
    # The folder's recipe, of which `evaluate` may be another than when the checkpoint was written.
    return saved._replace(recipe=recipe, content={"state_dict": saved.content["state_dict"]})


def _facts(recipe: Recipe, data: DetectionData, saved: SavedDetector | None) -> dict[str, object]:
    """Return the facts that all processes have to agree on."""
    return {
        "version of torchghm": torchghm.__version__,
        "recipe": recipe.plain(),
        "annotations (their digest)": annotations_digest(data),
        "checkpoint to go on from": "none" if saved is None else f"{saved.path} of step {saved.steps}",
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
