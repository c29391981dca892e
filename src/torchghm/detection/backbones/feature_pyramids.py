"""The backbone of a detector: a classifier without its last layer, and a feature pyramid on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn
from torchvision.models import get_model
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from torchghm.detection.backbones.backbone_weights import load_classifier, read_state_dict

_CLASSIFIER_HEAD = ("fc.", "classifier.")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BackboneConfig(NamedTuple):
    """The source of a backbone's weights, and the number of its trained stages."""

    weights: str | Path
    """``"none"``, ``"torchvision"``, ``"timm"``, ``"package"`` or the file of a state dict."""
    load_weights: bool
    """False for the form alone that the weights would have."""
    trainable_layers: int

    @property
    def pretrained(self) -> bool:
        """Whether there are weights: batch norm is frozen then."""
        return str(self.weights) != "none"

    @property
    def norm_layer(self) -> type[nn.Module]:
        """Batch norm of torchvision's backbones."""
        return FrozenBatchNorm2d if self.pretrained else nn.BatchNorm2d

    def build(self, name: str, *, published: str = "DEFAULT", **options: Any) -> nn.Module:
        """Return torchvision's classifier of this name, of which a detector takes all but the last layer.

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
            path = Path(self.weights)
            state = read_state_dict(path, f"'none', 'torchvision' or the file of a {name}")
            load_classifier(classifier, name, state, f"the weights file {path}", _CLASSIFIER_HEAD)
        return classifier


class FeaturePyramid(NamedTuple):
    """A backbone with a feature pyramid on it, and how it wants images normalised."""

    module: nn.Module
    """Images [N, 3, H, W] to feature maps by level, finest first; has ``out_channels``."""
    image_mean: Sequence[float] = IMAGENET_MEAN
    """The mean of pixels in [0, 1], by colour."""
    image_std: Sequence[float] = IMAGENET_STD

    @property
    def normalization(self) -> dict[str, list[float]]:
        """Arguments of torchvision's detectors."""
        return {"image_mean": list(self.image_mean), "image_std": list(self.image_std)}


def resnet_pyramid(
    config: BackboneConfig,
    backbone: str,
    channels: int,
    strides: tuple[int, ...],
    extra_levels: Callable[[int], ExtraFPNBlock],
    *,
    norm_layer: type[nn.Module] | None = None,
) -> FeaturePyramid:
    """Return a feature pyramid on a ResNet of torchvision.

    Arguments:
        config: see `BackboneConfig`.
        backbone: one of `torchghm.detector_names.BACKBONES`.
        channels: width of the pyramid.
        strides: of the feature maps that it stands on, in pixels, among 4, 8, 16 and 32.
        extra_levels: makes the coarser levels, from the width of the last stage.
        norm_layer: of the pyramid.
    """
    resnet: Any = config.build(backbone, norm_layer=config.norm_layer)
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][: config.trainable_layers]
    if config.trainable_layers == 5:
        trained.append("bn1")
    for name, parameter in resnet.named_parameters():
        if not name.startswith(tuple(trained)):
            parameter.requires_grad_(False)
    stages = [stride.bit_length() - 2 for stride in strides]
    width = resnet.inplanes // 16
    module = BackboneWithFPN(
        resnet,
        return_layers={f"layer{stage}": str(level) for level, stage in enumerate(stages)},
        in_channels_list=[width * 2**stage for stage in stages],
        out_channels=channels,
        extra_blocks=extra_levels(resnet.inplanes),
        norm_layer=norm_layer,
    )
    return FeaturePyramid(module)


def backbone_body(model: Any) -> nn.Module:
    """Return the part of a detector that a backbone's weights are for: without pyramid and further levels."""
    backbone = model.backbone
    body: nn.Module = backbone.body if hasattr(backbone, "body") else backbone.features  # an SSD's
    return body
