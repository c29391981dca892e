"""Kinds of a detector's errors: missed, wrong class, badly placed, duplicate, on background."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchghm.training.evaluation.diagnosis.matching import OVERLAP, MatchedImage

NEAR = 0.1
"""Intersection over union from which a detection is badly placed, rather than on background."""


class Errors(NamedTuple):
    """The errors in an image, as the class of each.

    Attributes:
        missed: class of the object.
        wrong_class: class that was detected; so are the following.
        badly_placed: likewise.
        duplicate: likewise.
        on_background: likewise.
    """

    missed: NDArray[np.int64]
    wrong_class: NDArray[np.int64]
    badly_placed: NDArray[np.int64]
    duplicate: NDArray[np.int64]
    on_background: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Number of errors of all kinds."""
        return sum(map(len, self))


def errors_of(image: MatchedImage) -> Errors:
    """Sort the errors in an image, each into one kind.

    A detection that found no object is, whichever is the first to apply,

    - a duplicate, if it overlaps an object of its class by 0.5 or more: another one has found that;
    - of the wrong class, if it overlaps an object of another class by 0.5 or more;
    - badly placed, if it overlaps an object of its class by 0.1 or more;
    - on background.

    An object is missed that no detection has found, and on which none of the wrong class or badly placed lies.

    Arguments:
        image: with the detections that count.

    Source: the kinds of Bolya et al., "TIDE", ECCV 2020, section 2.2, without "both": these are on background.
    """
    same = image.labels[:, None] == image.objects
    wrong = ~image.right
    duplicate = wrong & (same & (image.overlap >= OVERLAP)).any(1)
    on_other = ~same & (image.overlap >= OVERLAP)
    wrong_class = wrong & ~duplicate & on_other.any(1)
    nearby = same & (image.overlap >= NEAR)
    badly_placed = wrong & ~duplicate & ~wrong_class & nearby.any(1)
    covered = on_other[wrong_class].any(0) | nearby[badly_placed].any(0)
    covered[image.matched[image.right]] = True
    return Errors(
        image.objects[~covered],
        image.labels[wrong_class],
        image.labels[badly_placed],
        image.labels[duplicate],
        image.labels[wrong & ~duplicate & ~wrong_class & ~badly_placed],
    )
