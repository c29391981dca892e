from __future__ import annotations

import numpy as np

from torchghm.data.scenes.scene_sources import digits


def test_scans_are_divided_without_overlap():
    parts = digits((0.7, 0.1, 0.2), seed=5)
    assert sum(len(part.labels) for part in parts) == 1797
    flat = [{scan.tobytes() for scan in part.ink} for part in parts]
    assert sum(map(len, flat)) == len(set.union(*flat))
    for part, fraction in zip(parts, (0.7, 0.1, 0.2), strict=True):
        np.testing.assert_allclose(np.bincount(part.labels) / 180, fraction, atol=0.03)
