"""What a detector looks through: a classifier's trunk, with or without trained weights, and a pyramid on it."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torchvision.models import get_model
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnext101_32x8d", "resnext101_64x4d")
_CLASSIFIER = ("fc.", "classifier.")
"""Parameters of the last layers, whose classes are not ours."""


class Trunk(NamedTuple):
    """Where a classifier's weights come from, and how many of its stages are trained."""

    weights: str | Path
    """``"none"``, ``"torchvision"`` or the file of a state dict."""
    load_weights: bool
    """False for the form alone that the weights would have."""
    trainable_layers: int

    @property
    def pretrained(self) -> bool:
        """Whether there are weights: batch norm is frozen then."""
        return str(self.weights) != "none"

    @property
    def norm_layer(self) -> type[nn.Module]:
        """Batch norm of the trunk."""
        return FrozenBatchNorm2d if self.pretrained else nn.BatchNorm2d

    def build(self, name: str, *, published: str = "DEFAULT", **options: Any) -> nn.Module:
        """Return torchvision's classifier of this name, of which a detector takes the trunk.

        Arguments:
            name: for example ``"resnet18"``.
            published: which of torchvision's weights.
            options: arguments of the classifier.

        Raises:
            ValueError: a weights file that does not fit.
            FileNotFoundError: no such weights file.
        """
        from_torchvision = str(self.weights) == "torchvision" and self.load_weights
        classifier: nn.Module = get_model(name, weights=published if from_torchvision else None, **options)
        if self.pretrained and self.load_weights and not from_torchvision:
            _load(classifier, name, Path(self.weights))
        return classifier


def resnet_pyramid(
    trunk: Trunk,
    backbone: str,
    channels: int,
    stages: tuple[int, ...],
    extra_levels: Callable[[int], ExtraFPNBlock],
    *,
    norm_layer: type[nn.Module] | None = None,
) -> nn.Module:
    """Return a feature pyramid on a ResNet.

    Arguments:
        trunk: see `Trunk`.
        backbone: one of `BACKBONES`.
        channels: width of the pyramid.
        stages: which of the stages 1 to 4 it stands on.
        extra_levels: makes the coarser levels, from the width of the last stage.
        norm_layer: of the pyramid.
    """
    resnet: Any = trunk.build(backbone, norm_layer=trunk.norm_layer)
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][: trunk.trainable_layers]
    if trunk.trainable_layers == 5:
        trained.append("bn1")
    for name, parameter in resnet.named_parameters():
        if not name.startswith(tuple(trained)):
            parameter.requires_grad_(False)
    width = resnet.inplanes // 16
    return BackboneWithFPN(  # type: ignore[no-any-return]
        resnet,
        return_layers={f"layer{stage}": str(level) for level, stage in enumerate(stages)},
        in_channels_list=[width * 2**stage for stage in stages],
        out_channels=channels,
        extra_blocks=extra_levels(resnet.inplanes),
        norm_layer=norm_layer,
    )


def _load(classifier: nn.Module, name: str, path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected argument `weights` to be 'none', 'torchvision' or the file of a {name}, but got {path}, "
            "which is not a file."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"Expected the weights file {path} to hold a state dict, but {why_unreadable(path, error)}"
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"Expected the weights file {path} to hold a state dict, but got {type(state).__name__}.")
    own = classifier.state_dict()
    state |= {key: value for key, value in own.items() if key.startswith(_CLASSIFIER)}
    # Frozen batch norm counts no batches: that key of a trained classifier is left over.
    state = {key: value for key, value in state.items() if key in own or not key.endswith("num_batches_tracked")}
    missing = [key for key, value in own.items() if key not in state or state[key].shape != value.shape]
    if missing or state.keys() - own.keys():
        others = len(state.keys() - own.keys())
        raise ValueError(
            f"Expected the weights file {path} to fit a {name}, but {len(missing)} of its {len(own)} tensors are not "
            f"there or of another shape{f' ({missing[0]}, ...)' if missing else ''}, and {others} others are in it"
            f"{_CHECKPOINT if 'state_dict' in state else ''}."
        )
    classifier.load_state_dict(state)


_CHECKPOINT = "; it looks like a training's checkpoint, and has to be the state dict of a classifier alone"


def why_unreadable(path: Path, error: Exception) -> str:
    """Return why ``torch.load(path, weights_only=True)`` failed, in words for whoever has the file.

    torch's own advice, to load it with ``weights_only=False``, would run what the file says.
    """
    if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):
        return (
            "it holds Python objects beside tensors; torch.save(model.state_dict(), ...) saves a model's weights alone"
        )
    return "it is not a whole file of tensors as torch.save writes it"
