"""Which classes a detector takes for which, and for background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from torchghm.training.evaluation.diagnosis.matching import OVERLAP, MatchedImage


def confusion_matrix(images: Sequence[MatchedImage], classes: int) -> NDArray[np.int64]:
    """Count objects by their class and the class that they were detected as.

    Right detections come first. The others, from the highest score down, each take the free object of any class that
    they overlap most with, by at least 0.5. A detection that gets none has the background as its truth, an object that
    none gets is detected as background.

    Arguments:
        images: with the detections that count.
        classes: K.

    Returns:
        [K + 1, K + 1]: a row for each true class, a column for each detected one, the background last.
    """
    counts = np.zeros((classes + 1, classes + 1), dtype=np.int64)
    for image in images:
        truth = np.where(image.right, image.objects[image.matched] if len(image.objects) else classes, classes)
        free = np.ones(len(image.objects), dtype=np.bool_)
        free[image.matched[image.right]] = False
        for detection in np.flatnonzero(~image.right):
            overlap = np.where(free, image.overlap[detection], 0.0)
            if overlap.size and overlap.max() >= OVERLAP:
                truth[detection] = image.objects[overlap.argmax()]
                free[overlap.argmax()] = False
        np.add.at(counts, (truth, image.labels), 1)
        np.add.at(counts, (image.objects[free], np.full(int(free.sum()), classes)), 1)
    return counts
