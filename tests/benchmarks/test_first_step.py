"""The table of the first step: what docs/method.md shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.speed.first_step import LOSSES, NEGATIVES, positive_share, table

from torchghm import CrossEntropyLoss, GHMCLoss

DOCS = Path(__file__).parents[2] / "docs" / "method.md"


@pytest.mark.parametrize("negatives", NEGATIVES)
def test_shares_by_hand(negatives):
    # Cross entropy: |p - p*| of one positive at 0.99, of all negatives at 0.01.
    assert positive_share(CrossEntropyLoss(), negatives) == pytest.approx(0.99 / (0.99 + 0.01 * negatives), rel=1e-4)
    # Measured against the one positive the crowd counts for ten examples.
    assert positive_share(GHMCLoss(), negatives) == pytest.approx(0.99 / (0.99 + 0.01 * 10), rel=1e-4)


def test_the_page_shows_the_table():
    assert len(table().splitlines()) == 2 + len(NEGATIVES)
    assert all(name in table() for name in LOSSES)
    assert table() in DOCS.read_text()
