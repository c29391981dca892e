"""A whole diagnosis of a few detections."""

from tests.oracles.detection_errors import Detection, Object
from tests.training.evaluation.diagnosis.random_images import seen

from torchghm.training.evaluation.diagnosis.diagnose import diagnose

BOX, ELSEWHERE = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)
GOOD = seen([Detection(BOX, 0, 0.75)], [Object(BOX, 0, False)])
BAD = seen([Detection(ELSEWHERE, 0, 0.875), Detection(ELSEWHERE, 1, 0.25)], [Object(BOX, 1, False)])


def test_thresholds_come_from_one_split_and_what_they_give_from_the_other():
    validation = [seen([Detection(BOX, 0, 0.25), Detection(BOX, 1, 0.25)], [Object(BOX, 0, False)])]
    found, worst = diagnose([GOOD, BAD], ("a", "b"), chosen_on="val", validation=validation)
    assert (found.overall.threshold, found.threshold) == (0.13, 0.13)  # the middle of 0.01, ..., 0.25
    assert [curve.threshold for curve in found.by_class] == [0.13, None]
    a = found.by_class[0]
    assert (a.objects, a.precision, a.recall, a.f1) == (1, 0.5, 1.0, 0.666667)
    assert found.confusion == ((1, 0, 0), (0, 0, 1), (1, 1, 0))
    assert {kind: counts for kind, counts in found.errors.items() if any(counts.values())} == {
        "missed": {"a": 0, "b": 1}, "on_background": {"a": 1, "b": 1}
    }  # fmt: skip
    assert worst.tolist() == [1]


def test_the_evaluated_images_choose_where_there_are_no_others():
    found, _ = diagnose([GOOD, BAD], ("a", "b"), chosen_on="test")
    assert found.overall.threshold == 0.51  # the middle of 0.26, ..., 0.75
    assert found.overall.f1 == 0.5


def test_of_a_detector_that_finds_nothing():
    found, worst = diagnose([BAD], ("a", "b"), chosen_on="test")
    assert (found.overall.threshold, found.overall.f1, found.threshold) == (None, None, 0.5)
    assert worst.tolist() == [0]
    nothing, _ = diagnose([seen([], [Object(BOX, 1, False)])], ("a", "b"), chosen_on="test")
    assert nothing.calibration_error is None
    assert nothing.errors["missed"] == {"a": 0, "b": 1}
