"""Where logits come from: torchvision's detectors, harmonized."""

from torchghm.detection.build import BACKBONES, build_detector
from torchghm.detection.examples import DetectionExamples
from torchghm.detection.harmonize import detection_examples, harmonize, restore
from torchghm.detection.retinanet import HarmonizedRetinaNet

__all__ = [
    "BACKBONES",
    "DetectionExamples",
    "HarmonizedRetinaNet",
    "build_detector",
    "detection_examples",
    "harmonize",
    "restore",
]
