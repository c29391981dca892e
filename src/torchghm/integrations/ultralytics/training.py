"""Ultralytics' trainers with harmonized losses, whose states are saved beside its checkpoints."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from ultralytics.models.rtdetr.train import RTDETRTrainer
from ultralytics.models.yolo.detect import DetectionTrainer

from torchghm.atomic_files import replaced
from torchghm.integrations.arguments import check_host_losses
from torchghm.integrations.host_weights import Weights, with_host_weights
from torchghm.integrations.hosts import warn_untested
from torchghm.integrations.queries import check_label_range
from torchghm.integrations.ultralytics.criteria import TrainingLosses, harmonize_criterion

FILE = "torchghm.pt"
"""Beside last.pt: the host strips every criterion from its checkpoints."""


class HarmonizedTraining:
    """Mixed into a trainer of the host by `trainer` and `rtdetr_trainer`.

    Only the model that is trained has harmonized losses. The averaged model that is validated and saved has none: its
    validation losses are the host's own, and its checkpoints open without torchghm.
    """

    templates: ClassVar[tuple[nn.Module | None, nn.Module | None, Weights | None]]
    harmonized: TrainingLosses

    # Of the host's classes:
    model: Any
    args: Any
    data: Any
    resume: Any
    start_epoch: int
    epoch: int
    wdir: Path
    add_callback: Any

    def _setup_train(self) -> None:
        super()._setup_train()  # type: ignore[misc]
        self.harmonized = TrainingLosses(*self.templates)
        harmonize_criterion(self.model, self.harmonized)
        if self.resume:
            self._restore(Path(self.args.model).parent / FILE)
        calls = {name: losses.calls for name, losses in self.harmonized.all().items()}
        self.add_callback("on_train_batch_end", lambda trainer: trainer.check_called(calls))

    def check_called(self, before: dict[str, int]) -> None:
        """Raise a RuntimeError if a loss was not called since: the host computed its own."""
        for name, losses in self.harmonized.all().items():
            if losses.calls == before[name]:
                raise RuntimeError(
                    f"The harmonized {name} were not called in the first step: this model of Ultralytics computes "
                    "another loss. Was its criterion replaced in a callback?"
                )

    def preprocess_batch(self, batch: Any) -> Any:
        """Return the batch as the host does, on the device.

        Raises:
            ValueError: labels outside 0 to K - 1.
        """
        check_label_range([batch["cls"]], self.data["nc"])  # still on the CPU
        return super().preprocess_batch(batch)  # type: ignore[misc]

    def save_model(self) -> Any:
        """Save the host's checkpoint and beside it the states of the losses."""
        saved = super().save_model()  # type: ignore[misc]
        states = {name: losses.state_dict() for name, losses in self.harmonized.all().items()}
        with replaced(self.wdir / FILE) as file:
            torch.save({"epoch": self.epoch, "losses": states}, file)
        return saved

    def _restore(self, file: Path) -> None:
        if not file.exists():
            warnings.warn(f"There is no {file}: the densities of the losses start anew.", stacklevel=2)
            return
        state = torch.load(file, map_location="cpu", weights_only=True)
        if state["epoch"] != self.start_epoch - 1:
            warnings.warn(f"{file} is of epoch {state['epoch']}, not of {self.start_epoch - 1}.", stacklevel=2)
        own = self.harmonized.all()
        if own.keys() != state["losses"].keys():
            raise ValueError(f"Expected a state of {', '.join(own)} in {file}, but got {', '.join(state['losses'])}.")
        for name, losses in own.items():
            losses.load_state_dict(state["losses"][name])


def trainer(cls_loss: nn.Module | None = None, box_loss: nn.Module | None = None) -> type[Any]:
    """Make a trainer for YOLO's boxes: ``YOLO("yolo11n.yaml").train(data=..., trainer=trainer(GHMCLoss()))``.

    ``cls_loss`` takes the place of the binary cross entropy of all images and levels, with the soft targets of the
    task-aligned assigner; a head with two branches (YOLOv10, YOLO26) has a state for each. Assignment, overlap and
    distribution losses and the gains stay.

    Arguments:
        cls_loss: with ``activation="sigmoid"``; None keeps the host's.
        box_loss: for heads with ``reg_max`` 1 (YOLO26): of the distances to the sides as fractions of the image.

    Returns:
        A subclass of the host's `DetectionTrainer`.

    Raises:
        TypeError: neither loss, or a model that is not known (when training starts).
        ValueError: a loss whose options don't fit; when training starts, ``cls_pw`` or a ``box_loss`` for a head that
            predicts distributions.
        RuntimeError: in the first step, where the losses were not called.

    Examples:
        >>> from torchghm import GHMCLoss
        >>> trainer(GHMCLoss()).__mro__[2].__name__
        'DetectionTrainer'
    """
    return _trainer(DetectionTrainer, cls_loss, box_loss, "none")


def rtdetr_trainer(
    cls_loss: nn.Module | None = None, box_loss: nn.Module | None = None, *, weights: Weights | None = None
) -> type[Any]:
    """Make a trainer for Ultralytics' RT-DETR: ``RTDETR("rtdetr-l.yaml").train(data=..., trainer=...)``.

    ``cls_loss`` takes the place of varifocal loss, with the overlap of a matched box for its target, ``box_loss`` that
    of L1. Every decoder layer, and every layer of denoising queries, has a state of its own.

    Arguments, returns and raises: as of `trainer`; a ``box_loss`` always has its coordinates. ``weights`` of the
    examples of a `GHMCLoss` are ``"host"`` (varifocal loss's, and the number of objects for a divisor) or ``"none"``
    (1, and the sum of the targets); None for the host's.
    """
    return _trainer(RTDETRTrainer, cls_loss, box_loss, weights)


def _trainer(
    base: type[Any], cls_loss: nn.Module | None, box_loss: nn.Module | None, weights: Weights | None
) -> type[Any]:
    warn_untested("ultralytics")
    check_host_losses(cls_loss, box_loss)
    with_host_weights(cls_loss, weights)
    # By value: the host pickles the class itself for its other processes.
    return type(f"Harmonized{base.__name__}", (HarmonizedTraining, base), {"templates": (cls_loss, box_loss, weights)})
