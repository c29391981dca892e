"""A loss or gradient that is not finite: the step is skipped or the run ends, and the images are written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from torchghm.training.atomic_files import write_json


class NonFiniteError(ArithmeticError):
    """A loss or gradient was not finite, and the recipe says to stop then."""


class NonFiniteGuard:
    """Judges every optimiser step by the losses and the gradient that it is made of.

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
        self._batches: list[tuple[dict[str, Tensor], list[int]]] = []
        self._events: list[dict[str, Any]] = []

    def remember(self, losses: dict[str, Tensor], images: list[int]) -> None:
        """Take in a batch of the coming step: its detached losses, and the indices of its images."""
        self._batches.append((losses, images))

    def allows(self, norm: Tensor | None, *, epoch: int, step: int) -> bool:
        """Return whether the step may be taken. This waits for the device, as the detector does in any case.

        Arguments:
            norm: of the gradient; None where it may overflow for other reasons (a scaled fp16 loss).
            epoch: for the report.
            step: likewise.

        Raises:
            NonFiniteError: it may not, and the policy is to stop.
        """
        batches, self._batches = self._batches, []
        watched = [value for losses, _ in batches for value in losses.values()]
        watched += [] if norm is None else [norm]
        if not watched or bool(torch.stack([value.float() for value in watched]).isfinite().all()):
            return True
        images = [[self.name(index) for index in indices] for _, indices in batches]
        losses = [{name: f"{value.item():.6g}" for name, value in seen.items()} for seen, _ in batches]
        gradient = "not judged" if norm is None else f"{norm.item():.6g}"  # as texts: JSON has no nan
        parts = [{"images": names, "losses": values} for names, values in zip(images, losses, strict=True)]
        self._events = [
            *self._events[-99:],
            {"epoch": epoch, "step": step, "gradient_norm": gradient, "batches": parts},
        ]
        if self.report is not None:
            write_json(self.report, self._events)
        if self.policy == "skip":
            return False
        written = f"; more in {self.report}" if self.report is not None else ""
        raise NonFiniteError(
            f"step {step} (epoch {epoch}) is not finite: loss {', '.join(values['train/loss'] for values in losses)}, "
            f"gradient norm {gradient}, images {', '.join(name for names in images for name in names)}{written}. "
            "Lower optimizer.lr, or leave such steps out with trainer.on_nonfinite=skip"
        )
