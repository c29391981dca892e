"""The two passes on a CPU as Numba kernels: README.md says how they work."""

from torchghm.kernels.cpu.passes import compile_ahead

__all__ = ["compile_ahead"]
