"""torchvision's detectors, put together from a backbone and the options that each of them has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection import _utils as detection_utils
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.backbone_utils import _mobilenet_extractor as mobilenet_pyramid
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.ssd import SSD, _vgg_extractor
from torchvision.models.detection.ssdlite import SSDLiteHead, _mobilenet_extractor, _normal_init
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from torchghm.detection.backbones.feature_pyramids import BackboneConfig, FeaturePyramid, resnet_pyramid
from torchghm.detection.backbones.timm_backbones import timm_pyramid
from torchghm.detection.examples.labels import LabelsFromZero
from torchghm.detector_names import PYRAMID_LEVELS, TIMM

NORM_GROUPS = 32


class Threshold(NamedTuple):
    """The limits by which detections are kept."""

    score: float
    detections: int


def retinanet(
    config: BackboneConfig,
    num_classes: int,
    kept: Threshold,
    *,
    backbone: str,
    image_size: tuple[int, int],
    anchor_sizes: Sequence[float],
    anchor_scales: Sequence[float],
    aspect_ratios: Sequence[float],
    pyramid_channels: int,
    finest_level: int,
    head_norm: str = "group",
    version: int = 1,
) -> RetinaNet:
    """Build a RetinaNet (Lin et al., ICCV 2017), levels P3 to P7, or P2 to P6 as Faster R-CNN has them.

    torchvision's second version has P6 from the backbone's last stage and is trained with generalized IoU.
    """
    if finest_level == 2:
        levels = _levels_2_to_6(config, backbone, pyramid_channels)
    else:
        levels = _levels_3_to_7(config, backbone, pyramid_channels, from_backbone=version == 2)
    anchors = AnchorGenerator(
        sizes=tuple(tuple(round(size * scale) for scale in anchor_scales) for size in anchor_sizes),
        aspect_ratios=(tuple(aspect_ratios),) * PYRAMID_LEVELS,
    )
    norm_layer = partial(nn.GroupNorm, NORM_GROUPS) if head_norm == "group" else None
    head = RetinaNetHead(pyramid_channels, anchors.num_anchors_per_location()[0], num_classes, norm_layer=norm_layer)
    if version == 2:
        head.regression_head._loss_type = "giou"
    return RetinaNet(
        levels.module,
        num_classes,
        min_size=min(image_size),
        max_size=max(image_size),
        anchor_generator=anchors,
        head=head,
        score_thresh=kept.score,
        detections_per_img=kept.detections,
        **levels.normalization,
    )


def fcos(
    config: BackboneConfig,
    num_classes: int,
    kept: Threshold,
    *,
    backbone: str,
    image_size: tuple[int, int],
    pyramid_channels: int,
) -> FCOS:
    """Build an FCOS (Tian et al., ICCV 2019), levels P3 to P7, one point a cell."""
    levels = _levels_3_to_7(config, backbone, pyramid_channels, from_backbone=False)
    return FCOS(
        levels.module,
        num_classes,
        min_size=min(image_size),
        max_size=max(image_size),
        score_thresh=kept.score,
        detections_per_img=kept.detections,
        **levels.normalization,
    )


def _levels_3_to_7(config: BackboneConfig, backbone: str, channels: int, *, from_backbone: bool) -> FeaturePyramid:
    """Build a pyramid whose sixth level comes from the backbone's last stage, or from the fifth level."""
    return _pyramid(backbone)(
        config,
        backbone,
        channels,
        (8, 16, 32),
        lambda width: LastLevelP6P7(width if from_backbone else channels, channels),
    )


def _levels_2_to_6(
    config: BackboneConfig, backbone: str, channels: int, norm_layer: type[nn.Module] | None = None
) -> FeaturePyramid:
    return _pyramid(backbone)(
        config, backbone, channels, (4, 8, 16, 32), lambda width: LastLevelMaxPool(), norm_layer=norm_layer
    )


def _pyramid(backbone: str) -> Callable[..., FeaturePyramid]:
    return timm_pyramid if backbone.startswith(TIMM) else resnet_pyramid


def ssd300(config: BackboneConfig, num_classes: int, kept: Threshold) -> SSD:
    """Build an SSD300 (Liu et al., ECCV 2016) on VGG-16."""
    vgg = config.build("vgg16", published="IMAGENET1K_FEATURES")
    scaling: dict[str, Any] = {}
    if config.pretrained:  # pixels up to 255, as that backbone was trained; without weights they would drown the prior
        scaling = {"image_mean": [0.48235, 0.45882, 0.40784], "image_std": [1 / 255] * 3}
    model = SSD(
        _vgg_extractor(vgg, False, config.trainable_layers),
        DefaultBoxGenerator(
            [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
            scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
            steps=[8, 16, 32, 64, 100, 300],
        ),
        (300, 300),
        num_classes + 1,
        score_thresh=kept.score,
        detections_per_img=kept.detections,
        **scaling,
    )
    return _labels_from_zero(model)


def ssdlite320(config: BackboneConfig, num_classes: int, kept: Threshold) -> SSD:
    """Build an SSDLite (Howard et al., ICCV 2019) on MobileNetV3."""
    # The published momentum averages statistics over some 33 steps, too slow for weights that come from nowhere: after
    # 204 steps on blood cells AP was 0, and 37 with statistics taken anew.
    momentum = 0.03 if config.pretrained else 0.1
    norm_layer = partial(nn.BatchNorm2d, eps=0.001, momentum=momentum)
    mobilenet = config.build("mobilenet_v3_large", norm_layer=norm_layer, reduced_tail=not config.pretrained)
    if not config.pretrained:
        _normal_init(mobilenet)
    levels = _mobilenet_extractor(mobilenet, config.trainable_layers, norm_layer)
    boxes = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
    channels = detection_utils.retrieve_out_channels(levels, (320, 320))
    model = SSD(
        levels,
        boxes,
        (320, 320),
        num_classes + 1,
        head=SSDLiteHead(channels, boxes.num_anchors_per_location(), num_classes + 1, norm_layer),
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        score_thresh=kept.score,
        nms_thresh=0.55,
        detections_per_img=kept.detections,
        topk_candidates=300,
    )
    return _labels_from_zero(model)


def faster_rcnn(
    config: BackboneConfig,
    num_classes: int,
    kept: Threshold,
    *,
    backbone: str,
    image_size: tuple[int, int],
    anchor_sizes: Sequence[float],
    aspect_ratios: Sequence[float],
    pyramid_channels: int,
    proposals_per_image: int,
    version: int = 1,
    masks: bool = False,
) -> FasterRCNN:
    """Build a Faster R-CNN (Ren et al., NeurIPS 2015) on a pyramid, levels P2 to P6.

    With masks Mask R-CNN (He et al., ICCV 2017), whose box part is the same. torchvision's second version has batch
    norm in the pyramid and deeper heads (Li et al., 2021).
    """
    channels, norm = pyramid_channels, nn.BatchNorm2d if version == 2 else None
    levels = _levels_2_to_6(config, backbone, channels, norm)
    heads: dict[str, nn.Module] = {}
    if version == 2:
        heads["rpn_head"] = RPNHead(channels, len(aspect_ratios), conv_depth=2)
        heads["box_head"] = FastRCNNConvFCHead((channels, 7, 7), [256, 256, 256, 256], [1024], norm_layer=norm)
    sizes, kind = [(size,) for size in anchor_sizes], MaskRCNN if masks else FasterRCNN
    return _faster_rcnn(levels, sizes, aspect_ratios, num_classes, kept, image_size, proposals_per_image, kind, **heads)


def faster_rcnn_mobilenet(
    config: BackboneConfig,
    num_classes: int,
    kept: Threshold,
    *,
    image_size: tuple[int, int],
    anchor_sizes: Sequence[float],
    aspect_ratios: Sequence[float],
    proposals_per_image: int,
) -> FasterRCNN:
    """Build a Faster R-CNN on MobileNetV3's last two stages and a third level; each has anchors of every size."""
    mobilenet = config.build("mobilenet_v3_large", norm_layer=config.norm_layer)
    levels = FeaturePyramid(mobilenet_pyramid(mobilenet, True, config.trainable_layers))
    sizes = [tuple(anchor_sizes)] * 3
    return _faster_rcnn(levels, sizes, aspect_ratios, num_classes, kept, image_size, proposals_per_image)


def _faster_rcnn(
    levels: FeaturePyramid,
    anchor_sizes: Sequence[tuple[float, ...]],
    aspect_ratios: Sequence[float],
    num_classes: int,
    kept: Threshold,
    image_size: tuple[int, int],
    proposals_per_image: int,
    kind: type[FasterRCNN] = FasterRCNN,
    **heads: nn.Module,
) -> FasterRCNN:
    model = kind(
        levels.module,
        num_classes + 1,
        min_size=min(image_size),
        max_size=max(image_size),
        rpn_anchor_generator=AnchorGenerator(tuple(anchor_sizes), (tuple(aspect_ratios),) * len(anchor_sizes)),
        box_score_thresh=kept.score,
        box_detections_per_img=kept.detections,
        box_batch_size_per_image=proposals_per_image,
        **levels.normalization,
        **heads,
    )
    return _labels_from_zero(model)


def _labels_from_zero(model: Any) -> Any:
    model.transform.__class__ = LabelsFromZero
    return model
