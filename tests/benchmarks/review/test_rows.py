"""Mislabelled rows of the digits are found, by the memory and by cleanlab."""

from __future__ import annotations

import pytest
from benchmarks.review.rows import judged, orders

from benchmarks import tabular


def test_every_order_has_wrong_labels_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "EPOCHS", 20)
    rows = tabular.digits(0, 0.1)
    wrong = (rows.labels != tabular.digits(0, 0.0).labels).numpy()
    found = {method: judged(scores, wrong) for method, scores in orders(rows, "cross entropy", 0)}
    assert len(found) == 7
    assert min(auroc for auroc, _, _ in found.values()) > 0.8
    assert min(precision for _, _, precision in found.values()) > 0.3  # a tenth is chance
