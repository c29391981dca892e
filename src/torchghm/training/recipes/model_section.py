"""The detector of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from torchghm.detector_names import BACKBONES, DETECTORS, PYRAMID_LEVELS, TIMM, DetectorName, has_option
from torchghm.training.recipes.sections import PositiveFloat, PositiveInt, Section
from torchghm.training.recipes.values import as_yaml

DETECTOR_OPTIONS = (
    "backbone",
    "anchor_sizes",
    "anchor_scales",
    "pyramid_channels",
    "finest_level",
    "head_norm",
    "proposals_per_image",
)
"""Keys of a recipe's `model` that not every detector has."""


class ModelRecipe(Section):
    """The detector; options that it does not have stay null, and are forgotten with the detector that has them."""

    detector: DetectorName = Field(default="retinanet", description=", ".join(DETECTORS))
    backbone: str | None = Field(
        default=None,
        description=f"of retinanet, fcos and faster_rcnn: {', '.join(BACKBONES)}, or {TIMM}<name of a model of timm>; "
        "null is resnet18",
    )
    weights: str = Field(
        default="none",
        description='of the backbone: "none", "torchvision" or "timm" (ImageNet, downloaded once), "package" '
        "(ImageNet, of timm/tf_efficientnet_lite0, inside an installed package) or a state dict's file",
    )
    init: str | None = Field(
        default=None,
        min_length=1,
        description="whole detector to start from: a run, a checkpoint, a state dict's file, or torchvision (COCO, "
        "downloaded once); layers of other classes start anew, and weights is not read then; null for none",
    )
    anchor_sizes: tuple[PositiveFloat, ...] | None = Field(
        default=None,
        min_length=PYRAMID_LEVELS,
        max_length=PYRAMID_LEVELS,
        examples=[[32, 64, 128, 256, 512]],
        description="side in pixels of each level's anchors, at image_size; null is 32, 64, 128, 256, 512",
    )
    anchor_scales: tuple[PositiveFloat, ...] | None = Field(
        default=None,
        min_length=1,
        examples=[[1, 1.26, 1.587]],
        description="multiples of its size that each of retinanet's levels has anchors of; null is 1, 1.26, 1.587",
    )
    pyramid_channels: PositiveInt | None = Field(
        default=None,
        description="width of the pyramid and of the heads, a multiple of 32 with group norm; null is 256",
    )
    finest_level: Literal[2, 3] | None = Field(
        default=None,
        description="of retinanet's pyramid: 2 finds smaller objects, with anchor_sizes half as large; null is 3",
    )
    head_norm: Literal["none", "group"] | None = Field(
        default=None,
        description="of retinanet's heads: group norm trains much faster from scratch, none is the published; null is "
        "group",
    )
    proposals_per_image: PositiveInt | None = Field(
        default=None, description="on which the second stage of a Faster R-CNN is trained; null is 512"
    )
    prior: float = Field(default=0.01, gt=0, lt=1, description="probability that every class starts with")
    trainable_layers: int | None = Field(
        default=None,
        ge=0,
        le=6,
        description="stages of the backbone that are trained; null is all without weights, and with weights 3 of 5 "
        "(ssd300: 4, ssdlite320: all)",
    )

    @field_validator("backbone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in BACKBONES and not value.startswith(TIMM):
            raise ValueError(
                f"Expected `model.backbone` to be one of {', '.join(BACKBONES)}, {TIMM}<name>, but got {value!r}"
            )
        return value

    @model_validator(mode="after")
    def _of_this_detector(self) -> ModelRecipe:
        for option in DETECTOR_OPTIONS:
            value = getattr(self, option)
            if value is not None and not has_option(self.detector, option):
                raise ValueError(
                    f"Expected `model.{option}` to be null for {self.detector}, which has no such option, "
                    f"but got {as_yaml(value)}"
                )
        return self
