"""Names and options of detectors and backbones, readable without torch: recipes are checked before it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

DetectorName = Literal[
    "retinanet",
    "retinanet_v2",
    "fcos",
    "ssd300",
    "ssdlite320",
    "faster_rcnn",
    "faster_rcnn_v2",
    "faster_rcnn_mobilenet",
]
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)
"""Those that are trained on boxes alone, by `torchghm train` too."""
SOFTMAX_DETECTORS: tuple[DetectorName, ...] = ("ssd300", "ssdlite320")
"""Those whose classification loss may read the logits by the softmax too."""
TWO_STAGE_DETECTORS: tuple[DetectorName, ...] = ("faster_rcnn", "faster_rcnn_v2", "faster_rcnn_mobilenet")
"""Those of which `harmonize` is told the stage."""

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnext101_32x8d", "resnext101_64x4d")
"""Those of torchvision."""
TIMM = "timm/"
"""The prefix of the names of timm's models."""
PYRAMID_LEVELS = 5
"""Number of levels of a feature pyramid, each with anchors of one size."""

_IMAGE: dict[str, Any] = {"image_size": (800, 1333)}
_PYRAMID = {"backbone": "resnet50", "pyramid_channels": 256, **_IMAGE}
_ANCHORS = {"anchor_sizes": (32.0, 64.0, 128.0, 256.0, 512.0), "aspect_ratios": (0.5, 1.0, 2.0)}
_RETINANET = {**_PYRAMID, "finest_level": 3, **_ANCHORS, "anchor_scales": (1.0, 2 ** (1 / 3), 2 ** (2 / 3))}
_FASTER_RCNN = {**_IMAGE, **_ANCHORS, "proposals_per_image": 512}

OPTIONS: Mapping[DetectorName | Literal["mask_rcnn"], Mapping[str, Any]] = MappingProxyType(
    {
        "retinanet": {**_RETINANET, "head_norm": "none"},
        "retinanet_v2": _RETINANET,
        "fcos": _PYRAMID,
        "ssd300": {},
        "ssdlite320": {},
        "faster_rcnn": {**_PYRAMID, **_FASTER_RCNN},
        "faster_rcnn_v2": {**_PYRAMID, **_FASTER_RCNN},
        "faster_rcnn_mobilenet": _FASTER_RCNN,
        "mask_rcnn": {**_PYRAMID, **_FASTER_RCNN},
    }
)
"""Options that not every detector has, and what they are by default."""


def has_option(name: DetectorName | Literal["mask_rcnn"], option: str) -> bool:
    """Return whether this detector has an option that not every detector has.

    Examples:
        >>> has_option("retinanet", "anchor_sizes"), has_option("ssd300", "anchor_sizes")
        (True, False)
    """
    return option in OPTIONS[name]
