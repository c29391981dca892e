"""Mislabelled rows of a classifier: `python -m benchmarks.review.rows [--seeds N]`.

A perceptron is trained by `benchmarks.tabular`'s recipe on rows of which some labels are wrong, with a `LabelMemory`
beside it. Printed is how well each order of the rows finds the wrong ones: by the memory's columns; and by cleanlab's
`get_label_quality_scores`, on the probabilities of the same network, and on those of five networks by cross-validation,
as its documentation asks for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn

from benchmarks import tabular
from benchmarks.review.figures import precision_of_first
from torchghm.review import LabelMemory

LOSSES = ("cross entropy", "GHM-C")
FOLDS = 5
CLEANLAB = ("self_confidence", "normalized_margin")
Floats = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of means over seeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review.rows", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.05, 0.2, 0.4], help="shares of wrong labels")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the matrices are too small to share
    print("| data | loss | order by | AUROC | AP | P@k |\n|---|---|---|---:|---:|---:|")
    for name, rows_of in tabular.BEDS.items():
        for noise in options.noise:
            for loss in LOSSES:
                figures: dict[str, list[tuple[float, float, float]]] = {}
                for seed in range(options.seeds):
                    rows = rows_of(seed, noise)
                    wrong = (rows.labels != rows_of(seed, 0.0).labels).numpy()
                    for method, scores in orders(rows, loss, seed):
                        figures.setdefault(method, []).append(judged(scores, wrong))
                for method, found in figures.items():
                    cells = " | ".join(f"{mean:.3f}" for mean in np.mean(found, axis=0))
                    print(f"| {name}, {100 * noise:.0f} % | {loss} | {method} | {cells} |", flush=True)


def orders(rows: tabular.Rows, loss: str, seed: int) -> Iterator[tuple[str, Floats]]:
    """Yield how wrong each row's label is by every method, [n], higher for more wrong."""
    memory = LabelMemory(len(rows.labels), epochs=tabular.EPOCHS)
    final = trained(rows.inputs, rows.labels, loss, seed, memory)(rows.inputs)
    columns = {name: column.double().numpy() for name, column in memory.columns().items()}
    yield "memory, gradient norm over the training", columns["slow_gradient_norm"]
    yield "memory, gradient norm at the end", columns["gradient_norm"]
    yield "memory, area under the margin", -columns["margin"]
    labels = rows.labels.numpy()
    crossed = torch.zeros_like(final)
    for kept, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels):
        network = trained(rows.inputs[kept], rows.labels[kept], loss, seed, None)
        crossed[held_out] = network(rows.inputs[held_out])
    for kind, logits in (("same network", final), (f"{FOLDS} networks", crossed)):
        probabilities = logits.double().softmax(1).numpy()
        for method in CLEANLAB:
            quality = get_label_quality_scores(labels, probabilities, method=method)
            yield f"cleanlab, {method}, {kind}", 1 - np.asarray(quality)


def judged(scores: Floats, wrong: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return AUROC, average precision, and precision at k, the number of wrong labels."""
    return (
        float(roc_auc_score(wrong, scores)),
        float(average_precision_score(wrong, scores)),
        precision_of_first(scores, wrong),
    )


def trained(inputs: Tensor, labels: Tensor, loss: str, seed: int, memory: LabelMemory | None) -> nn.Module:
    """Train the perceptron of `benchmarks.tabular`, and return it without gradients."""
    torch.manual_seed(seed)
    steps = tabular.EPOCHS * (len(labels) // tabular.BATCH)
    network = tabular.perceptron(inputs.shape[1], int(labels.max()) + 1)
    observe = None if memory is None else memory.observe_rows
    for _ in tabular.epochs(network, inputs, labels, tabular.METHODS[loss](steps), observe):
        if memory is not None:
            memory.end_epoch()
    return network.eval().requires_grad_(False)


if __name__ == "__main__":
    main()
