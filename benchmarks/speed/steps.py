"""``python -m benchmarks.speed.steps``: a harmonized loss in one call on a CPU, beside two passes and torch between."""

from __future__ import annotations

import argparse
import time

import torch

from torchghm.functional.examples import Examples
from torchghm.losses.fused import fused
from torchghm.losses.state.density_state import DensityState
from torchghm.losses.state.residual_scale import ResidualScale
from torchghm.losses.step import Batch, HarmonizingOptions, LogitBatch, Memory, ResidualBatch, Step
from torchghm.losses.two_pass import two_pass

STEPS: dict[str, Step] = {"fused": fused, "two passes": two_pass}


def batches(numbers: int) -> dict[str, tuple[Batch, HarmonizingOptions, Memory]]:
    """Return a batch of logits and one of residuals, with the losses' default options."""
    logits, targets = torch.randn(numbers // 10, 10, requires_grad=True), torch.full((numbers // 10,), -1)
    targets[::20] = 3
    residual = torch.randn(numbers, requires_grad=True)
    logit_options = HarmonizingOptions(30, "positives", 1.0, "propagate", "mean", "auto", "positives")
    residual_options = HarmonizingOptions(10, "occupied", 1.0, "propagate", "mean", "auto")
    return {
        "GHM-C": (
            LogitBatch(Examples(logits, targets, None), "sigmoid", -100),
            logit_options,
            Memory(DensityState(30, 0.75, positives=True)),
        ),
        "GHM-R": (
            ResidualBatch(residual, None, 1.0),
            residual_options,
            Memory(DensityState(10, 0.99), ResidualScale(0.99)),
        ),
    }


def seconds(step: Step, batch: Batch, options: HarmonizingOptions, memory: Memory, repeats: int = 20) -> float:
    """Return the time of one step, forward and backward."""
    start = time.perf_counter()
    for _ in range(repeats):
        record = step(batch, options, memory)
        assert record.loss is not None
        record.loss.backward()  # type: ignore[no-untyped-call]
    return (time.perf_counter() - start) / repeats


def main() -> None:
    """Time both in turns, and print the fastest turn of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.steps", description=__doc__)
    parser.add_argument("--numbers", type=int, default=1000, help="logits, and residuals")
    parser.add_argument("--turns", type=int, default=200)
    arguments = parser.parse_args()
    for loss, (batch, options, memory) in batches(arguments.numbers).items():
        times: dict[str, list[float]] = {name: [] for name in STEPS}
        for _ in range(arguments.turns):
            for name, step in STEPS.items():
                times[name].append(seconds(step, batch, options, memory))
        print(loss, *(f"{name} {min(turns) * 1e6:.0f} us" for name, turns in times.items()), sep=", ")


if __name__ == "__main__":
    main()
