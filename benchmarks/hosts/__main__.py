"""A training step of each host with its own losses and with GHM, in turns.

python -m benchmarks.hosts [--seconds 40] [--threads 1] [--process-time] [--losses] [HOST ...]

See `benchmarks.hosts.steps`; with ``--losses`` the classification loss alone, see `benchmarks.hosts.losses`. Process
time leaves out what other programs took; every step is then followed by one of the other loss, the first in turn.
"""

from __future__ import annotations

import argparse

import torch

from benchmarks.hosts.losses import LOSSES
from benchmarks.hosts.steps import HOSTS
from benchmarks.speed.measure import process_times, processor, quantiles, timed


def main() -> None:
    """Print a table of medians with p20 and p80."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=", ".join([*HOSTS, *LOSSES]))
    parser.add_argument("--seconds", type=float, default=40, help="a host")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--process-time", action="store_true", help="of all threads, instead of the clock on the wall")
    parser.add_argument("--losses", action="store_true", help="the classification losses alone")
    options = parser.parse_args()
    known = LOSSES if options.losses else HOSTS
    for name in options.hosts:
        if name not in known:
            parser.error(f"expected HOST to be one of {', '.join(map(repr, known))}, but got {name!r}")
    torch.set_num_threads(options.threads)
    print(f"{processor()}, torch {torch.__version__}, threads: {options.threads}\n")
    print(f"| {'loss' if options.losses else 'step'} of | own, ms | GHM, ms | ratio of medians |\n|---|---:|---:|---:|")
    for name in options.hosts or known:
        steps = known[name]()
        if options.process_time:
            times = process_times(steps, options.seconds)
        else:
            times = timed(steps, seconds=options.seconds, device="cpu")
        own, ours = quantiles(times["own"]), quantiles(times["GHM"])
        digits = 1 if own[1] >= 10 else 3
        cells = [f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})" for low, middle, high in (own, ours)]
        print(f"| {name} | {cells[0]} | {cells[1]} | {ours[1] / own[1]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
