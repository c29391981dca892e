"""Where logits come from: torchvision's detectors, harmonized."""

from torchghm.detection.backbones import BACKBONES
from torchghm.detection.build import DETECTORS, build_detector
from torchghm.detection.examples import DetectionExamples
from torchghm.detection.faster_rcnn import HarmonizedFasterRCNN, HarmonizedMaskRCNN
from torchghm.detection.fcos import HarmonizedFCOS
from torchghm.detection.harmonize import detection_examples, harmonize, restore
from torchghm.detection.harmonized import HarmonizedDetector
from torchghm.detection.prior import set_prior
from torchghm.detection.retinanet import HarmonizedRetinaNet
from torchghm.detection.ssd import HarmonizedSSD

__all__ = [
    "BACKBONES",
    "DETECTORS",
    "DetectionExamples",
    "HarmonizedDetector",
    "HarmonizedFCOS",
    "HarmonizedFasterRCNN",
    "HarmonizedMaskRCNN",
    "HarmonizedRetinaNet",
    "HarmonizedSSD",
    "build_detector",
    "detection_examples",
    "harmonize",
    "restore",
    "set_prior",
]
