"""A backbone's weights: read from a file, and checked against the classifier that they are for."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_CHECKPOINT = " It looks like a training's checkpoint, and has to be the state dict of a classifier alone."


def read_state_dict(path: Path, expected: str) -> dict[str, Any]:
    """Return the state dict that a file holds.

    Arguments:
        path: written by ``torch.save``, or a ``.safetensors`` file.
        expected: what the argument `weights` may be, for the error.

    Raises:
        ValueError: the file holds something else.
        FileNotFoundError: no such file.
        ModuleNotFoundError: safetensors is not installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected argument `weights` to be {expected}, but got {path}, which is not a file.")
    try:
        state = _read(path)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"Expected the weights file {path} to hold a state dict, but {why_unreadable(path, error)}"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"Expected the weights file {path} to hold a state dict, but got {type(state).__name__}.")
    return state


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return installed("safetensors.torch", f"the weights file {path}").load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def installed(module: str, asked: str) -> Any:
    """Import a module that is of an extra.

    Arguments:
        module: for example ``"timm"``.
        asked: what needs it, for the error.

    Raises:
        ModuleNotFoundError: it is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name not in (package, module):
            raise
        raise ModuleNotFoundError(
            f"{asked} needs the package {package.replace('_', '-')}, which is not installed: "
            "pip install 'torchghm[pretrained]'.",
            name=package,
        ) from None


def load_classifier(
    classifier: nn.Module, name: str, state: Mapping[str, Any], source: str, head: tuple[str, ...]
) -> None:
    """Load a state dict into a classifier whose last layer, whose classes are not ours, may differ.

    Arguments:
        classifier: changed in place.
        name: of the classifier, for the error.
        state: tensors by name.
        source: where they are from, for the error.
        head: how the names of the last layer's tensors begin.

    Raises:
        ValueError: a tensor is not there, of another shape, or not the classifier's; the first one is named.
    """
    own = classifier.state_dict()
    # Frozen batch norm counts no batches: that key of a trained classifier is left over.
    given = {
        key: value
        for key, value in state.items()
        if not key.startswith(head) and (key in own or not key.endswith("num_batches_tracked"))
    }
    wanted = {key: value for key, value in own.items() if not key.startswith(head)}
    if difference := state_dict_difference(given, wanted):
        raise ValueError(
            f"Expected {source} to fit a {name}, but {difference}.{_CHECKPOINT if 'state_dict' in state else ''}"
        )
    classifier.load_state_dict(own | given)


def state_dict_difference(given: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> str | None:
    """Return how a state dict differs from the tensors that it should have, in words; None if it does not.

    Arguments:
        given: what was read, by name.
        wanted: tensors by name.

    Examples:
        >>> state_dict_difference({"bias": torch.zeros(2)}, {"bias": torch.zeros(3)})
        "its tensor 'bias' is of the shape [2] and not of the shape [3]"
    """
    differing = [name for name, value in wanted.items() if tensor_shape(given.get(name)) != value.shape]
    differing += [name for name in given if name not in wanted]
    if not differing:
        return None
    others = f", the first of {len(differing)} that differ" if len(differing) > 1 else ""
    first = differing[0]
    if first not in wanted:
        return f"its tensor {first!r} has no place there{others}"
    if first not in given:
        return f"it has no tensor {first!r}{others}"
    shape = tensor_shape(given[first])
    found = type(given[first]).__name__ if shape is None else f"of the shape {list(shape)}"
    return f"its tensor {first!r} is {found} and not of the shape {list(wanted[first].shape)}{others}"


def tensor_shape(value: object) -> torch.Size | None:
    """Return the shape of a tensor, None of anything else."""
    return value.shape if isinstance(value, Tensor) else None


def why_unreadable(path: Path, error: Exception) -> str:
    """Return why ``torch.load(path, weights_only=True)`` failed, in words for whoever has the file.

    torch's own advice, to load it with ``weights_only=False``, would run what the file says.
    """
    if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):
        return (
            "it holds Python objects beside tensors; torch.save(model.state_dict(), ...) saves a model's weights alone"
        )
    return "it is not a whole file of tensors as torch.save writes it"
