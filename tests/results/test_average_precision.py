"""Average precisions as they are shown."""

from __future__ import annotations

import pytest

from torchghm.results.average_precision import points


@pytest.mark.parametrize(("value", "shown"), [(None, "-"), (0.0, "0.0"), (0.3214, "32.1"), (1.0, "100.0")])
def test_points(value, shown):
    assert points(value) == shown
