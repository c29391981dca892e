"""The two passes as Triton kernels, for GPUs."""
