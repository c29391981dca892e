"""The bed of unbalanced rows: what it makes, and that a training on it learns."""

from __future__ import annotations

import pytest
import torch

from benchmarks import tabular


@pytest.mark.parametrize("bed", tabular.BEDS)
def test_classes_have_a_long_tail_in_training_and_are_even_where_it_counts(bed):
    rows = tabular.BEDS[bed](0, 0.0)
    counts = rows.labels.bincount()
    assert counts[-1] == pytest.approx(float(counts[0]) * tabular.RAREST, abs=1)
    assert (counts.diff() < 0).all()
    assert len(set(rows.test_labels.bincount().tolist())) == 1
    again = tabular.BEDS[bed](0, 0.0)
    assert all(torch.equal(one, other) for one, other in zip(rows, again, strict=True))


def test_a_share_of_the_training_labels_is_wrong_and_no_held_out_one():
    clean, noisy = tabular.digits(3, 0.0), tabular.digits(3, 0.4)
    assert torch.equal(clean.inputs, noisy.inputs)
    assert torch.equal(clean.test_labels, noisy.test_labels)
    assert (clean.labels != noisy.labels).double().mean() == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("method", tabular.METHODS)
def test_every_loss_learns(method, monkeypatch):
    monkeypatch.setattr(tabular, "EPOCHS", 30)
    f1, average_precision = tabular.trained_scores(tabular.digits(0, 0.0), tabular.METHODS[method], seed=0)
    assert f1 > 0.25  # a tenth is chance
    assert average_precision > 0.7


def test_the_table_pairs_by_seed():
    scores = {
        "cross entropy": [(0.5, 0.5), (0.6, 0.6)],
        "focal": [(0.5, 0.5), (0.6, 0.6)],
        "mine": [(0.6, 0.7), (0.7, 0.8)],
    }
    *_, last = tabular.table(scores)
    assert last.startswith("| mine | 65.0 ± 7.1 | +10.0 [+10.0, +10.0] | +10.0 [+10.0, +10.0] | 75.0 ± 7.1 | +20.0")
