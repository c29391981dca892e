"""``python -m benchmarks.tabular``: softmax GHM-C on unbalanced rows with wrong labels, beside CE and focal loss."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification
from sklearn.metrics import average_precision_score, f1_score
from torch import Tensor, nn

from benchmarks.speed.measure import settings
from torchghm import CrossEntropyLoss, FocalLoss, GHMCLoss, HandoverLoss
from torchghm.training.comparison.statistics import paired_difference, summarize

Loss = Callable[[int], nn.Module]
"""Maker of a loss from the number of training steps."""

EPOCHS = 60
BATCH = 128
RATE = 2e-3
RAREST = 0.05
"""Size of the rarest class beside the most frequent one."""


class Rows(NamedTuple):
    """Training rows with some wrong labels, and held-out rows, all classes equally many, with none."""

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor


METHODS: dict[str, Loss] = {
    "cross entropy": lambda steps: CrossEntropyLoss(activation="softmax"),
    "focal": lambda steps: FocalLoss(activation="softmax"),
    "GHM-C": lambda steps: GHMCLoss(activation="softmax"),
    "GHM-C, 10 regions": lambda steps: GHMCLoss(10, activation="softmax"),
    "GHM-C as published": lambda steps: GHMCLoss.published(activation="softmax"),
    "cross entropy, then GHM-C as published": lambda steps: HandoverLoss(
        CrossEntropyLoss(activation="softmax"),
        GHMCLoss.published(activation="softmax"),
        start=steps // 3,
        end=2 * steps // 3,
    ),
}


def digits(seed: int, noise: float) -> Rows:
    """scikit-learn's scans of handwritten digits, a long tail of them."""
    scans, labels = load_digits(return_X_y=True)
    return _unbalanced(scans.astype(np.float32) / 16, labels, seed, noise, most=110, held_out=60)


def clusters(seed: int, noise: float) -> Rows:
    """scikit-learn's made rows: ten classes of two clusters each in 10 of 20 columns."""
    rows, labels = make_classification(
        20_000, 20, n_informative=10, n_redundant=5, n_classes=10, n_clusters_per_class=2, flip_y=0.0,
        class_sep=1.5, random_state=seed,
    )  # fmt: skip
    return _unbalanced(rows.astype(np.float32), labels, seed, noise, most=1500, held_out=300)


BEDS = {"digits": digits, "clusters": clusters}


def _unbalanced(rows: np.ndarray, labels: np.ndarray, seed: int, noise: float, *, most: int, held_out: int) -> Rows:
    generator = np.random.default_rng([seed, 7])
    classes = labels.max() + 1
    train, test = [], []
    for label in range(classes):
        of_class = generator.permutation(np.flatnonzero(labels == label))
        test.append(of_class[:held_out])
        train.append(of_class[held_out : held_out + round(most * RAREST ** (label / (classes - 1)))])
    train_rows, test_rows = np.concatenate(train), np.concatenate(test)
    given = labels[train_rows].copy()
    wrong = generator.permutation(len(given))[: round(noise * len(given))]
    given[wrong] = (given[wrong] + generator.integers(1, classes, len(wrong))) % classes
    inputs, test_inputs = rows[train_rows], rows[test_rows]
    mean, scale = inputs.mean(0), inputs.std(0) + 1e-3
    return Rows(
        torch.from_numpy((inputs - mean) / scale),
        torch.from_numpy(given.astype(np.int64)),
        torch.from_numpy((test_inputs - mean) / scale),
        torch.from_numpy(labels[test_rows].astype(np.int64)),
    )


def trained_scores(rows: Rows, loss: Loss, seed: int) -> tuple[float, float]:
    """Train a perceptron of two hidden layers; return macro-F1 and macro average precision on the held-out rows."""
    torch.manual_seed(seed)
    classes = int(rows.test_labels.max()) + 1
    network = perceptron(rows.inputs.shape[1], classes)
    steps = EPOCHS * (len(rows.labels) // BATCH)
    for _ in epochs(network, rows.inputs, rows.labels, loss(steps)):
        pass
    with torch.no_grad():
        probability = network.eval()(rows.test_inputs).softmax(1).numpy()
    truth = rows.test_labels.numpy()
    one_hot = np.eye(classes)[truth]
    return (
        float(f1_score(truth, probability.argmax(1), average="macro")),
        float(average_precision_score(one_hot, probability, average="macro")),
    )


def perceptron(columns: int, classes: int) -> nn.Sequential:
    """Return a perceptron of two hidden layers."""
    return nn.Sequential(nn.Linear(columns, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, classes))


def epochs(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    criterion: nn.Module,
    observe: Callable[[Tensor, Tensor, Tensor], None] | None = None,
) -> Iterator[int]:
    """Train a network, and yield after each epoch.

    Arguments:
        network: of logits [n, K].
        inputs: [n, columns].
        labels: [n].
        criterion: made for ``EPOCHS * (n // BATCH)`` steps.
        observe: gets logits, labels and the numbers of the rows of each batch.
    """
    steps = EPOCHS * (len(labels) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(labels))
        for batch in order[: len(order) // BATCH * BATCH].view(-1, BATCH):
            optimizer.zero_grad()
            logits = network(inputs[batch])
            criterion(logits, labels[batch]).backward()
            optimizer.step()
            schedule.step()
            if observe is not None:
                observe(logits, labels[batch], batch)
        yield epoch


def main() -> None:
    """Train every method with every seed on every bed, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tabular", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="at least 2")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.2, 0.4], help="shares of wrong labels")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "accuracy", help="folder")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error(f"argument --seeds: expected at least 2, but got {arguments.seeds}")
    torch.set_num_threads(1)  # the matrices are too small to share
    started = time.perf_counter()
    lines = []
    for name, bed in BEDS.items():
        for noise in arguments.noise:
            scores = {
                method: [trained_scores(bed(seed, noise), loss, seed) for seed in range(arguments.seeds)]
                for method, loss in METHODS.items()
            }
            lines += ["", f"## {name}, {noise:.0%} wrong labels", "", *table(scores)]
            print("\n".join(lines[-len(METHODS) - 5 :]), flush=True)
    command = shlex.join(["python", "-m", "benchmarks.tabular", *sys.argv[1:]])
    head = [
        "# Softmax GHM-C on unbalanced rows",
        "",
        f"`{command}`, {arguments.seeds} seeds, {time.perf_counter() - started:.0f} s. Held-out labels are right.",
        "",
        *(f"- {key}: {value}" for key, value in settings("cpu").items()),
    ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"{datetime.date.today().isoformat()}-tabular.md"
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    print(f"written: {path}")


def table(scores: dict[str, list[tuple[float, float]]]) -> list[str]:
    """Return the Markdown lines of one bed: percent, and paired differences with their 95 % interval."""
    lines = [
        "| loss | macro-F1 | against cross entropy | against focal | macro AP | against cross entropy |",
        "|---|---:|---:|---:|---:|---:|",
    ]

    def percent(method: str, metric: int) -> list[float]:
        return [100 * score[metric] for score in scores[method]]

    for method in scores:
        cells = [method]
        for metric, baselines in ((0, ("cross entropy", "focal")), (1, ("cross entropy",))):
            values = percent(method, metric)
            summary = summarize(values)
            cells.append(f"{summary.mean:.1f} ± {summary.std:.1f}")
            for baseline in baselines:
                difference = paired_difference(values, percent(baseline, metric))
                interval = f"{difference.mean:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"
                cells.append("" if method == baseline else interval)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
