"""Chunks of a pass, and threads for them: OpenMP's where torch has them."""

from __future__ import annotations

import ctypes

import pytest

from torchghm.kernels.cpu import threads


def test_a_library_without_openmp_has_no_address(monkeypatch):
    assert threads.openmp_team() >= 0
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object())
    assert threads.openmp_team.__wrapped__() == 0


@pytest.mark.parametrize(
    ("count", "numbers", "multiple"),
    [(0, 1, 1024), (1, 1, 1024), (10**6, 1, 1024), (2**40, 1, 1024), (65_536, 1000, 1)],
)
def test_chunks_cover_everything(count, numbers, multiple):
    chunks, size = threads.chunking(count, numbers, multiple)
    assert size % multiple == 0
    assert (chunks - 1) * size < count <= chunks * size or count == chunks == 0
    assert chunks <= threads.MAX_CHUNKS


@pytest.mark.parametrize("count", [65_536, 65_537, 131_073, 140_000, 262_145, 400_000, 10**6, 3 * 10**7])
def test_chunks_are_even_and_as_many_for_two_threads_and_four(count):
    chunks, size = threads.chunking(count, 1, 512)
    assert chunks in (1, 2) or chunks % 4 == 0
    assert (chunks == 1) == (count <= threads.MIN_CHUNK)
    last = count - (chunks - 1) * size
    assert size - last < 512 * chunks  # what is left over once each chunk is a multiple
