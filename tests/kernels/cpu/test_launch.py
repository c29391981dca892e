"""How kernels are called: on threads, and from many at once."""

from __future__ import annotations

import threading

import pytest
import torch
from tests.kernels.batches import random_examples, threads_and_chunks

from torchghm.kernels.cpu import launch, passes


def both_passes(inputs, regions=30):
    table = torch.linspace(1, 2, regions, dtype=torch.float64)
    return (
        passes.classification_histogram(*inputs, regions, "sigmoid", -100, False),
        *passes.classification_loss_and_gradient(*inputs, table, "sigmoid", -100, False),
    )


@pytest.fixture
def inputs():
    return random_examples(
        1, activation="sigmoid", rows=500, classes=80, dtype=torch.float32, soft=False, weight="none"
    )


def test_without_openmp_one_thread_does_the_same(inputs, monkeypatch):
    with threads_and_chunks(3, chunk=1024):
        expected = both_passes(inputs)
        monkeypatch.setattr(launch, "openmp_team", lambda: 0)
        for one, other in zip(both_passes(inputs), expected, strict=True):
            assert torch.equal(one, other)


def test_called_from_many_threads_at_once(inputs):
    expected = both_passes(inputs)
    results = []
    with threads_and_chunks(2, chunk=1024):
        callers = [threading.Thread(target=lambda: results.append(both_passes(inputs))) for _ in range(6)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
    assert len(results) == 6
    for result in results:
        assert torch.equal(result[0], expected[0])
        assert torch.equal(result[3], expected[3])
