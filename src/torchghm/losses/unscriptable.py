"""Refusal of TorchScript, by the name of the loss that it can't compile."""

from __future__ import annotations

from typing import NoReturn

from torch import nn


class Unscriptable(nn.Module):
    """A module that ``torch.jit.script`` refuses, also as a part of another one."""

    def __prepare_scriptable__(self) -> NoReturn:
        """Raise the error: TorchScript calls this first."""
        raise TypeError(
            f"Expected a model without its losses in torch.jit.script, but got one with a {type(self).__name__}, which "
            "TorchScript can't compile: script the network alone, or use torch.compile."
        )
