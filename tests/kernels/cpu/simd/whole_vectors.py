"""Calls of functions of whole vectors."""

from __future__ import annotations

import numpy as np

from torchghm.kernels.cpu.simd.compiling import scalar
from torchghm.kernels.cpu.simd.region_edges import MOST_EDGES, load_edges
from torchghm.kernels.cpu.simd.register_tables import ENTRIES


def in_vectors(function, numbers, *options, dtype=np.float32):
    """Apply a function of whole vectors to as many numbers as there are."""
    padded = np.resize(numbers, -(-numbers.size // 16) * 16)
    result = np.empty(padded.size, dtype)
    function(padded, result, *options)
    return result[: numbers.size]


def edges_of(regions):
    """The edges of so many regions, where they are used; else None."""
    edges = np.empty(ENTRIES, np.float32)
    return _edges(edges.ctypes.data, regions).copy() if regions <= MOST_EDGES else None


@scalar
def _edges(memory, regions):
    return load_edges(memory, regions, True, np.float32)
