"""Parts of `python -m benchmarks.gpu`: each returns a figure or a word, or raises."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from tests.oracles import harmonizing as oracle
from torch import Tensor, nn

import torchghm
from benchmarks.speed import candidates
from benchmarks.speed.measure import quantiles, timed
from torchghm.functional.gradient_norm import gradient_norm_sigmoid

REGIONS = 30
LOGITS = 250_000_000
MANY_CLASSES = (65_536, 32_000)
TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2, torch.float32: 2e-6, torch.float64: 1e-12}
"""Tolerance of the gradient, relative to its largest entry: two units in the last place of the narrow types."""


class Size(NamedTuple):
    """How large the parts are.

    Attributes:
        device: "cuda", or "cpu" for a dry run.
        scale: of the large tensors.
        seconds: of taking turns in each measurement.
        steps: of the training.
    """

    device: str
    scale: float
    seconds: float
    steps: int

    @property
    def dry(self) -> bool:
        """Whether there is no GPU: the script is tested, and nothing else."""
        return self.device == "cpu"


def loss(size: Size, **options: object) -> nn.Module:
    """Return GHM-C without an average over iterations, on the Triton kernels, or in plain torch in a dry run."""
    backend = "eager" if size.dry else "triton"
    return torchghm.GHMCLoss(REGIONS, 0.0, backend=backend, **options).to(size.device)  # type: ignore[arg-type]


def gradient(criterion: Callable[..., Tensor], logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient."""
    leaf = logits.detach().requires_grad_()
    value = criterion(leaf, targets)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def values(size: Size) -> str:
    """GHM-C beside a loop over the examples in float64, as the paper writes it, for every dtype."""
    said = []
    for dtype in TOLERANCE:
        logits, targets = candidates.batch(8000, "cpu", dtype)
        logits = logits.detach()
        dense = candidates.one_hot(targets, torch.float64)
        scaled = gradient_norm_sigmoid(logits.double(), dense) * REGIONS
        # Where rounding decides the region there is no right answer.
        logits = logits.masked_fill((scaled - scaled.round()).abs() < 3e-6 * scaled.clamp(min=1), -3.0)
        terms = [
            oracle.sigmoid_cross_entropy(x, target)
            for x, target in zip(logits.double().flatten().tolist(), dense.flatten().tolist(), strict=True)
        ]
        losses, derivatives, norms = zip(*terms, strict=True)
        expected, factors = oracle.mean_harmonized(list(losses), list(norms), [1.0] * len(norms), bins=REGIONS)
        wanted = torch.tensor([f * d for f, d in zip(factors, derivatives, strict=True)], dtype=torch.float64)
        wanted = wanted.view_as(logits)
        criterion = loss(size, normalize="occupied", average="examples", max_weight=None)
        value, found = gradient(criterion, logits.to(size.device), targets.to(size.device))
        off = float((found.double().cpu() - wanted).abs().max() / wanted.abs().max())
        name = str(dtype).removeprefix("torch.")
        if not math.isclose(float(value), expected, rel_tol=1e-5) or off > TOLERANCE[dtype]:
            raise AssertionError(f"{name}: value {float(value)!r} for {expected!r}, gradient off by {off:.1e}")
        said.append(f"{name} {off:.1e}")
    return "gradients off by " + ", ".join(said)


def synchronisation(size: Size) -> str:
    """A step of GHM-C and GHM-R in which nothing waits for the GPU."""
    logits, targets = candidates.batch(80_000, size.device)
    steps = [candidates.step(torchghm.GHMCLoss().to(size.device), logits, targets)]
    boxes = torch.randn(100, 4, device=size.device, requires_grad=True)
    steps.append(candidates.step(torchghm.GHMRLoss().to(size.device), boxes, torch.zeros_like(boxes)))
    for step in steps * 2:
        step()
    if size.dry:
        return "a step ran; a CPU has nothing to wait for"
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in steps:
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "nothing waits"


def graphs(size: Size) -> str:
    """A step in a CUDA graph, replayed with other logits: the numbers of a step of its own."""
    logits, targets = candidates.batch(80_000, size.device)
    criterion = loss(size)
    others = logits.detach().flip(0).contiguous()
    expected, wanted = gradient(loss(size), others, targets)
    if size.dry:
        value, found = gradient(criterion, others, targets)
    else:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                gradient(criterion, logits, targets)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        static = logits.detach().clone().requires_grad_()
        with torch.cuda.graph(graph):
            value = criterion(static, targets)
            found = torch.autograd.grad(value, static)[0]
        with torch.no_grad():
            static.copy_(others)
        graph.replay()
        torch.cuda.synchronize()
    torch.testing.assert_close(value.detach(), expected)
    torch.testing.assert_close(found, wanted)
    return "the same step" if size.dry else "a replay gives the numbers of a step"


def compilation(size: Size) -> str:
    """A step under torch.compile without a break in its graph."""
    logits, targets = candidates.batch(80_000, size.device)
    compiled = torch.compile(loss(size), fullgraph=True, backend="eager" if size.dry else "inductor")
    for one, other in zip(gradient(compiled, logits, targets), gradient(loss(size), logits, targets), strict=True):
        torch.testing.assert_close(one, other)
    return "one graph, the same numbers"


def speed(dtype: torch.dtype) -> Callable[[Size], str]:
    """Return the part that times GHM-C beside its peers on 2.5e8 logits."""

    def part(size: Size) -> str:
        fits = 1.0 if size.dry else min(1.0, torch.cuda.get_device_properties(0).total_memory / 2.4e10)
        inputs, targets = candidates.batch(int(LOGITS * size.scale * fits), size.device, dtype)
        return _turns(candidates.sigmoid(inputs, targets, compiled=not size.dry), inputs, size)

    part.__doc__ = f"2.5e8 logits in {dtype}."
    return part


def softmax(size: Size) -> str:
    """Softmax GHM-C beside cross entropy on [65536, 32000] logits, or as many rows as the memory holds."""
    rows, classes = int(MANY_CLASSES[0] * math.sqrt(size.scale)), int(MANY_CLASSES[1] * math.sqrt(size.scale))
    if not size.dry:
        rows = min(rows, torch.cuda.get_device_properties(0).total_memory // (classes * 4 * 6))
    inputs = torch.randn(rows, classes, device=size.device).requires_grad_()
    targets = torch.randint(classes, (rows,), device=size.device)
    return _turns({**candidates.softmax(inputs, targets), "copy": candidates.copy(inputs)}, inputs, size)


def _turns(steps: dict[str, candidates.Step], inputs: Tensor, size: Size) -> str:
    medians = {
        name: quantiles(times)[1] for name, times in timed(steps, seconds=size.seconds, device=size.device).items()
    }
    copy = next(value for name, value in medians.items() if name.startswith("copy"))
    ours = next(iter(medians.values()))
    # A copy reads once and writes once; the loss has to read twice and write once.
    least = f"GHM-C is {ours / (1.5 * copy):.2f} x two reads and one write"
    table = ", ".join(f"{name} {value:.3g}" for name, value in medians.items())
    return f"{[*inputs.shape]} {str(inputs.dtype).removeprefix('torch.')}, ms: {table}; {least}"


def training(precision: str) -> Callable[[Size], str]:
    """Return the part that fine-tunes a small RetinaNet on made scenes."""

    def part(size: Size) -> str:
        from torchghm.data.scenes.scene_writing import write_scenes

        with tempfile.TemporaryDirectory() as folder:
            data = write_scenes(Path(folder, "data"), images=24 if size.dry else 200, image_size=(80, 96))
            changes = {
                "data.image_size": [64, 96],
                "data.batch_size": 4,
                "data.workers": 0,
                "model.weights": "none",
                "model.backbone": "resnet18",
                "model.pyramid_channels": 32,
                "trainer.max_steps": size.steps,
                "trainer.precision": precision,
                "trainer.accelerator": "cpu" if size.dry else "gpu",
                "trainer.devices": 1,
            }
            run = torchghm.train(data, recipe=changes, out=Path(folder, "run"), progress=False)
            last = run.to_pandas()["train/loss"].iloc[-1]
        if not math.isfinite(last):
            raise AssertionError(f"the loss is {last}")
        return f"{size.steps} steps, loss {last:.3g}, AP50 {run.metrics['ap50']:.3g}"

    part.__doc__ = f"A short training in {precision}."
    return part


def processes(size: Size) -> str:
    """The gradients of two processes, summed, are those of one on both halves."""
    if not size.dry and torch.cuda.device_count() < 2:
        return "left out: there is one card"
    from torch.multiprocessing import start_processes

    with tempfile.TemporaryDirectory() as folder:
        start_processes(_half, (folder, size.device), nprocs=2, start_method="spawn")
        halves = [torch.load(Path(folder, f"{rank}.pt")) for rank in range(2)]
    logits, targets = candidates.batch(16_000, size.device)
    criterion = torchghm.GHMCLoss(momentum=0).to(size.device)
    _, wanted = gradient(criterion, logits, targets)
    # DistributedDataParallel takes the mean of both gradients.
    torch.testing.assert_close(torch.cat(halves) / 2, wanted.cpu(), rtol=1e-5, atol=1e-9)
    return "two processes, the gradient of one"


def _half(rank: int, folder: str, device: str) -> None:
    import torch.distributed as dist

    where = device if device == "cpu" else f"cuda:{rank}"
    if device == "cuda":
        torch.cuda.set_device(rank)
    kind = "gloo" if device == "cpu" else "nccl"
    dist.init_process_group(kind, init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    logits, targets = candidates.batch(16_000, "cpu" if device == "cpu" else where)
    rows = len(logits) // 2
    own = slice(rank * rows, (rank + 1) * rows)
    _, found = gradient(torchghm.GHMCLoss(momentum=0).to(where), logits[own], targets[own])
    torch.save(found.cpu(), Path(folder, f"{rank}.pt"))
    dist.barrier()
    dist.destroy_process_group()


def parts(size: Size) -> Iterator[tuple[str, Callable[[Size], str]]]:
    """Yield every part with its name, what has to be right before what is fast."""
    yield "values", values
    yield "synchronisation", synchronisation
    yield "CUDA graphs", graphs
    yield "torch.compile", compilation
    yield "speed, float32", speed(torch.float32)
    yield "speed, bfloat16", speed(torch.bfloat16)
    yield "speed, softmax", softmax
    for precision in ("bf16-mixed",) if size.dry else ("16-mixed", "bf16-mixed"):
        yield f"training, {precision}", training(precision)
    yield "two processes", processes
