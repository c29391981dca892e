"""Threads for a pass: OpenMP's where torch has them."""

from __future__ import annotations

import ctypes

from torchghm.kernels.cpu import threads


def test_a_library_without_openmp_has_no_address(monkeypatch):
    assert threads.openmp_team() >= 0
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object())
    assert threads.openmp_team.__wrapped__() == 0
