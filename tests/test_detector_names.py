import inspect

from torchghm.detection.build import build_detector
from torchghm.detector_names import DETECTORS, OPTIONS, SOFTMAX_DETECTORS, TWO_STAGE_DETECTORS, has_option


def test_every_detector_has_a_row_of_options():
    assert set(OPTIONS) == {*DETECTORS, "mask_rcnn"}
    assert {*SOFTMAX_DETECTORS, *TWO_STAGE_DETECTORS} <= set(DETECTORS)


def test_the_options_are_arguments_of_build_detector():
    arguments = inspect.signature(build_detector).parameters
    assert {option for options in OPTIONS.values() for option in options} <= set(arguments)


def test_an_option_belongs_to_some_detectors():
    assert has_option("retinanet", "head_norm")
    assert not has_option("ssd300", "backbone")
