"""One loss for each branch of a model: decoder layers, denoising queries, one-to-many and one-to-one heads."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn


class BranchLosses(nn.Module):
    """Copies of a loss, one a branch, each with a state of its own.

    Branches are spread differently (an early decoder layer is less sure than the last), so that one average over all of
    them would describe none. A copy is made when its branch is first seen, or found in a saved state. The copies stay
    on the device of their inputs.

    Arguments:
        loss: called with inputs, targets and perhaps weights; it stays as it is.

    Examples:
        >>> from torchghm import GHMCLoss
        >>> losses = BranchLosses(GHMCLoss())
        >>> value = losses("last", torch.randn(8, 3), torch.tensor([0, 1, 2, -1, -1, -1, -1, -1]), training=True)
        >>> list(losses.branches), losses.calls
        (['last'], 1)
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.__dict__["template"] = deepcopy(loss)  # no submodule: its state belongs to no branch
        self.branches = nn.ModuleDict()
        self.calls = 0
        self.device: torch.device | None = None

    def branch(self, name: str) -> nn.Module:
        """Return the loss of a branch, which is made if it is new."""
        if name not in self.branches:
            loss = deepcopy(cast(nn.Module, self.__dict__["template"]))
            self.branches[name] = loss if self.device is None else loss.to(self.device)
        return self.branches[name]

    def forward(
        self, branch: str, inputs: Tensor, targets: Tensor, weight: Tensor | None = None, *, training: bool
    ) -> Tensor:
        """Return the loss of one branch.

        Arguments:
            branch: its name, without dots.
            inputs, targets, weight: as the loss takes them.
            training: whether its average over iterations takes this batch in, and the batch is summed over ranks.
        """
        if inputs.device != self.device:
            self.device = inputs.device
            self.to(inputs.device)
        loss = self.branch(branch)
        if loss.training != training:
            loss.train(training)
        if training:
            self.calls += 1
        result: Tensor = loss(inputs, targets) if weight is None else loss(inputs, targets, weight)
        return result

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        # Before torch walks down to the branches: those of the state are made now.
        start = f"{prefix}branches."
        for name in sorted({key[len(start) :].split(".")[0] for key in state_dict if key.startswith(start)}):
            self.branch(name)
        super()._load_from_state_dict(state_dict, prefix, *args)
