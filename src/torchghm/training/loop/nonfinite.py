"""A loss or gradient that is not finite: the step is skipped or the run ends, and the images are written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from torchghm.atomic_files import write_json
from torchghm.training.loop.processes import all_gather_objects, all_true, is_first


class NonFiniteError(ArithmeticError):
    """A loss or gradient was not finite, and the recipe says to stop then."""


class NonFiniteGuard:
    """Checks the losses and the gradient of every optimiser step.

    Arguments:
        policy: ``"stop"`` or ``"skip"``.
        name: gives the file name of a training image by its index.
        report: file that such steps are written to, the newest hundred of them; None for nowhere.
    """

    def __init__(
        self, policy: Literal["stop", "skip"], name: Callable[[int], str] = str, report: Path | None = None
    ) -> None:
        self.policy = policy
        self.name = name
        self.report = report
        self._batches: list[tuple[Tensor, dict[str, Tensor], list[int]]] = []
        self._buffers: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def keep(self, buffers: Iterable[Tensor]) -> None:
        """Keep the buffers that the forward passes of the coming step change, where it may be skipped.

        Weights stay as they are without a step; the statistics of batch norm and the losses' densities do not.
        """
        if self.policy == "skip":
            self._buffers = [(buffer, buffer.clone()) for buffer in buffers]

    def remember(self, loss: Tensor, details: dict[str, Tensor], images: list[int]) -> None:
        """Take in a batch of the coming step.

        Arguments:
            loss: a scalar, detached.
            details: scalars that are written down with it.
            images: indices of its images.
        """
        self._batches.append((loss, details, images))

    @torch.no_grad()
    def allows(self, norm: Tensor | None, *, epoch: int, step: int) -> bool:
        """Return whether the step may be taken: the same on all processes, which would drift apart otherwise.

        This waits for the device, as the detector does in any case.

        Arguments:
            norm: of the gradient; None where it may overflow for other reasons (a scaled fp16 loss).
            epoch: for the report.
            step: likewise.

        Raises:
            NonFiniteError: it may not, and the policy is to stop.
        """
        batches, self._batches = self._batches, []
        watched = [loss for loss, _, _ in batches] + ([] if norm is None else [norm])
        if not watched or all_true(torch.stack([value.float() for value in watched]).isfinite().all()):
            return True
        images = [[self.name(index) for index in indices] for _, _, indices in batches]
        details = [{name: f"{value.item():.6g}" for name, value in seen.items()} for _, seen, _ in batches]
        gradient = "not judged" if norm is None else f"{norm.item():.6g}"  # as texts: JSON has no nan
        parts = [{"images": names, "losses": values} for names, values in zip(images, details, strict=True)]
        parts = [part for process in all_gather_objects(parts) for part in process]
        event = {"epoch": epoch, "step": step, "gradient_norm": gradient, "batches": parts}
        if self.report is not None and is_first():
            before = json.loads(self.report.read_text("utf-8")) if self.report.is_file() else []
            write_json(self.report, [*before[-99:], event])
        if self.policy == "skip":
            for buffer, kept in self._buffers:
                buffer.copy_(kept)
            return False
        losses = ", ".join(f"{loss.item():.6g}" for loss, _, _ in batches)
        names = ", ".join(name for part in parts for name in part["images"])
        written = f"; more in {self.report}" if self.report is not None else ""
        raise NonFiniteError(
            f"step {step} (epoch {epoch}) is not finite: loss {losses}, gradient {gradient}, images {names}{written}. "
            "Lower optimizer.lr, or leave such steps out with trainer.on_nonfinite=skip"
        )
