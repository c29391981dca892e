"""Calls of functions of whole vectors."""

from __future__ import annotations

import numpy as np

from torchghm.kernels.cpu.launch import ARGUMENTS, Arguments
from torchghm.kernels.cpu.simd.region_edges import load_edges


def in_vectors(function, numbers, *options, dtype=np.float32):
    """Apply a function of whole vectors to as many numbers as there are."""
    padded = np.resize(numbers, -(-numbers.size // 16) * 16)
    result = np.empty(padded.size, dtype)
    function(padded, result, *options)
    return result[: numbers.size]


def edges_of(regions):
    arguments = Arguments(regions=regions, target_storage=-1)
    return load_edges(np.frombuffer(arguments, ARGUMENTS)[0], np.float32)
