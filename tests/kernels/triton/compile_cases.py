"""Kernels that the launchers launch, compiled for an sm_90 GPU without one: catches what Triton's interpreter forgives.

`test_passes.py` runs this file in its own process.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from torchghm.kernels.triton import passes as kernels
from torchghm.kernels.triton.sigmoid import COUNTING_BLOCK, LOSS_BLOCK
from torchghm.kernels.triton.tiles import THREADS

POINTERS = {
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """PTX of everything launched, by the kernel's name."""
    found: dict[str, str] = {}

    def compile_launch(kernel: JITFunction, *args: Any, grid: Any, warmup: bool, **named: Any) -> None:
        options = {name: named.pop(name) for name in ("num_warps", "enable_fp_fusion")}
        values = dict(zip((param.name for param in kernel.params), args, strict=False)) | named
        signature, constants, attributes = {}, {}, {}
        for position, param in enumerate(kernel.params):
            value = values[param.name]
            if param.is_constexpr or value is None:
                signature[param.name], constants[param.name] = "constexpr", value
            elif isinstance(value, torch.Tensor):
                signature[param.name] = POINTERS[value.dtype]
                attributes[position,] = [["tt.divisibility", 16]]
            else:
                signature[param.name] = "i32" if value < 2**31 else "i64"
        source = ASTSource(kernel, signature, constants, attributes)
        binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        assert binary.asm["cubin"]
        found[kernel.__name__] = binary.asm["ptx"]

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(JITFunction, "run", compile_launch)
    return found


def count(instruction: str, ptx: str) -> int:
    return len(re.findall(rf"\b{instruction}", ptx))


@pytest.mark.parametrize(
    ("activation", "rows", "classes", "dtype", "targets", "weight", "regions"),
    [
        ("sigmoid", 64, 80, torch.float32, "index", "none", 30),
        ("sigmoid", 64, 91, torch.bfloat16, "index", "none", 3030),
        ("sigmoid", 64, 3, torch.float16, "soft", "row", 30),
        ("sigmoid", 64, 1, torch.float64, "index", "logit", 10),
        ("sigmoid", 2, 10_000, torch.bfloat16, "index", "row", 100),
        ("softmax", 64, 1000, torch.float32, "index", "none", 30),
        ("softmax", 9, 5000, torch.bfloat16, "soft", "row", 3030),
        ("softmax", 900, 2, torch.float64, "index", "none", 30),
    ],
)
def test_classification(compiled, activation, rows, classes, dtype, targets, weight, regions):
    logits = torch.empty(rows, classes, dtype=dtype)
    target = torch.empty(rows, dtype=torch.int64) if targets == "index" else torch.empty(rows, classes)
    amount = {"none": None, "row": torch.empty(rows), "logit": torch.empty(rows, classes)}[weight]
    options = (activation, -100, False)
    kernels.classification_histogram(logits, target, amount, regions, *options)
    kernels.classification_loss_and_gradient(logits, target, amount, torch.empty(regions), *options)
    assert set(compiled) == {f"{activation}_histogram_kernel", f"{activation}_loss_kernel"}


@pytest.mark.parametrize(
    ("dtype", "weighted", "regions"),
    [(torch.float32, False, 10), (torch.float64, True, 1010)],
)
def test_regression(compiled, dtype, weighted, regions):
    residual = torch.empty(300, 4, dtype=dtype)
    weight = residual if weighted else None
    kernels.regression_histogram(residual, weight, regions, 0.02, True)
    kernels.regression_loss_and_gradient(residual, weight, torch.empty(regions), 0.02, True)
    assert set(compiled) == {"residual_histogram_kernel", "residual_loss_kernel"}


@pytest.mark.parametrize("classes", [80, 91])
def test_sigmoid_is_bound_by_memory(compiled, classes):
    """One exponential and one reciprocal a logit, loads and stores of 16 bytes for any K, no division, no atomics."""
    logits, targets = torch.empty(100_000, classes), torch.empty(100_000, dtype=torch.int64)
    options = ("sigmoid", -100, False)
    kernels.classification_histogram(logits, targets, None, 30, *options)
    kernels.classification_loss_and_gradient(logits, targets, None, torch.empty(30), *options)
    for name, block in (("sigmoid_histogram_kernel", COUNTING_BLOCK), ("sigmoid_loss_kernel", LOSS_BLOCK)):
        logits_of_thread = block // THREADS.value
        ptx = compiled[name]
        assert count("ex2.approx.ftz.f32", ptx) == logits_of_thread
        assert count("rsqrt.approx.ftz.f32", ptx) == logits_of_thread
        assert count(r"ld.global.v4.b32", ptx) == logits_of_thread // 4
        assert not count(r"(div|rem)\.", ptx)
        # The index of a region: the minimum that drops NaN, then a conversion.
        assert count(r"min\.f32", ptx) == count(r"cvt\.rzi\.s32\.f32", ptx) == logits_of_thread
        assert not count(r"(atom|red)\.(\w+\.)*global", ptx)
    assert count(r"st.global.v4.b32", compiled["sigmoid_loss_kernel"]) == LOSS_BLOCK // THREADS.value // 4


def test_dynamic_sizes_are_int64(compiled):
    """Tile 2^31 / BLOCK begins at an int64 offset, whatever the type of the tile's number."""
    logits, targets = torch.empty(64, 80), torch.empty(64, dtype=torch.int64)
    kernels.classification_histogram(logits, targets, None, 30, "sigmoid", -100, False)
    shift = COUNTING_BLOCK.bit_length() - 1
    assert re.search(
        rf"shl\.b64 .*, {shift};|mul\.wide\.s32 .*, {COUNTING_BLOCK};", compiled["sigmoid_histogram_kernel"]
    )
