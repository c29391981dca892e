"""Torchvision's detectors, harmonized."""

from torchghm.detection.build import build_detector
from torchghm.detection.detectors.faster_rcnn import HarmonizedFasterRCNN, HarmonizedMaskRCNN
from torchghm.detection.detectors.fcos import HarmonizedFCOS
from torchghm.detection.detectors.harmonized import HarmonizedDetector
from torchghm.detection.detectors.retinanet import HarmonizedRetinaNet
from torchghm.detection.detectors.ssd import HarmonizedSSD
from torchghm.detection.examples.batch_examples import DetectionExamples
from torchghm.detection.harmonize import detection_examples, harmonize, restore
from torchghm.detection.prior import set_prior
from torchghm.detector_names import BACKBONES, DETECTORS

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
