"""Losses of a host compared on data sets: the command line, the runs in turn, and the record as Markdown."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.hosts.paired_table import paired_table
from benchmarks.speed.measure import settings

Train = Callable[[Path, str, int, Any], dict[str, float]]
"""Trains on the data set in a folder with a method and a seed, as the options say; returns metrics in percent."""


def arguments_of(module: str, description: str | None, methods: Iterable[str]) -> argparse.ArgumentParser:
    """Make a parser of what all hosts have: data sets, methods (the first is the baseline), seeds, and the record."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER", type=_named, help="a data set's name and its folder")
    parser.add_argument("--methods", nargs="+", choices=list(methods), default=list(methods)[:2], metavar="METHOD")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="Markdown file")
    return parser


def compare(title: str, about: str, parser: argparse.ArgumentParser, train: Train) -> None:
    """Train the methods with every seed on every data set; print the tables, and write them with ``--out``.

    Arguments:
        title: of the record.
        about: how it was trained; ``{epochs}`` and other options are filled in.
        parser: of `arguments_of`, with the host's own options.
        train: see `Train`.
    """
    options = parser.parse_args()
    started = time.perf_counter()
    lines = []
    for name, folder in options.sets:
        scores: dict[str, list[dict[str, float]]] = {method: [] for method in options.methods}
        for seed in range(options.seeds):
            for method in options.methods:
                scores[method].append(train(folder, method, seed, options))
                print(
                    f"{name}, seed {seed}, {method}: {scores[method][-1]}, {time.perf_counter() - started:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
        lines += ["", f"## {name}", "", *paired_table(scores)]
    head = [
        f"# {title}",
        "",
        f"`{shlex.join([*parser.prog.split(), *sys.argv[1:]])}`: {about.format(**vars(options))}, {options.seeds} "
        "seeds. AP in percent on the test images, whose labels are right. Paired differences with 95 % intervals.",
        "",
        *(f"- {key}: {value}" for key, value in settings("cpu").items()),
    ]
    text = "\n".join([*head, *lines]) + "\n"
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


def _named(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, but got {text!r}")
    return name, Path(folder)
