"""How well wrong labels are found: `python -m benchmarks.review SET=RUNS:DATA ... [--judge ...] [--out TABLE.md]`.

RUNS is the folder of a run, or one of runs ``seed-0``, ``seed-1``, ...; DATA the clean data set, or a copy that
`torchghm data noise` made. The noisy and the clean copies of a data set have the same name SET. Printed are the figures
of torchghm (with weights fitted on the other sets, so that none judges its own, and with the shipped ones) and of its
peers on the detections of the same models, means over runs; how many findings a clean set has; then weights fitted on
all of the sets, which are those of `torchghm.review.verdict`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.review.cases import TUNED, Case, Regressions, fit, predicted, read
from benchmarks.review.figures import Figures, figures, wrong_above
from benchmarks.review.peers import Scores
from benchmarks.review.pictures import draw_peers
from torchghm.review.agreement import Floats

OURS, SHIPPED = "torchghm, weights of the other sets", "torchghm, shipped weights"
Table = dict[tuple[str, float], dict[str, list[float]]]
"""Set and rate -> method -> its figures."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; write them and a picture a peer."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review", description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="SET=RUNS:DATA")
    parser.add_argument(
        "--judge", action="append", default=[], metavar="SET=RUNS:DATA", help="runs that no weights are fitted on"
    )
    parser.add_argument("--cache", type=Path, help="folder for detections and peers' scores, read when they are there")
    parser.add_argument("--out", type=Path, metavar="TABLE.md", help="file for the tables; pictures go beside it")
    options = parser.parse_args(arguments)
    fitted = [case for text in options.sets for case in read_all(text, options.cache)]
    cases = fitted + [case for text in options.judge for case in read_all(text, options.cache)]
    judged = {name: fit([case for case in fitted if case.name != name]) for name in {case.name for case in cases}}
    found = table(cases, judged)
    lines = [*table_lines(found | means_of_sets(found)), "", *certainty_lines(cases, judged), "", *weight_lines(fitted)]
    print("\n".join(lines))
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
        draw_peers(found, OURS, options.out)


def read_all(text: str, cache: Path | None) -> list[Case]:
    """Read the runs that an argument names."""
    name, _, place = text.partition("=")
    runs, _, data = place.rpartition(":")
    folders = sorted(Path(runs).glob("seed-*")) or [Path(runs)]
    return [read(name, run, Path(data), cache) for run in folders]


def table(cases: Sequence[Case], judged: dict[str, Regressions]) -> Table:
    """Return each method's figures on every noisy set, means over its runs."""
    of_runs: dict[tuple[str, float], dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        if not case.rate:
            continue
        rows = of_runs[case.name, case.rate]
        rows[OURS].append(figures(predicted(judged[case.name], case), case.truth))
        rows[SHIPPED].append(figures(case.shipped, case.truth))
        for peer, scores in case.peers.items():
            rows[peer].append(figures(scores, case.truth))
    means = {
        key: {method: np.mean(found, axis=0).tolist() for method, found in rows.items()}
        for key, rows in of_runs.items()
    }
    return {key: best_thresholds(rows) for key, rows in means.items()}


def means_of_sets(found: Table) -> Table:
    """Return the mean of all sets, for each rate that several have; ObjectLab's with the best thresholds of each."""
    means: Table = {}
    for rate in dict.fromkeys(rate for _, rate in found):
        of_rate = [rows for (_, own), rows in found.items() if own == rate]
        numbers: dict[str, list[list[float]]] = defaultdict(list)
        for rows in of_rate:
            for method, figures_of_one in rows.items():
                numbers[f"{TUNED}best for each set" if method.startswith(TUNED) else method].append(figures_of_one)
        if len(of_rate) > 1:
            means[f"mean of {len(of_rate)} sets", rate] = {
                method: np.mean(of, axis=0).tolist() for method, of in numbers.items()
            }
    return means


def table_lines(found: Table) -> list[str]:
    """Return the table of all methods in Markdown."""
    names = (
        "AUROC | AP | P@k | AP class | AP shifted | AP spurious | AP missing | "
        "P@k class | P@k shifted | P@k spurious | P@k missing | P@k all"
    )
    lines = [f"| data | method | {names} |", "|---|---|" + "---:|" * len(Figures._fields)]
    for (name, rate), rows in found.items():
        for method, numbers in rows.items():
            cells = ["" if np.isnan(number) else f"{number:.3f}" for number in numbers]
            lines.append(f"| {name}, {100 * rate:.0f} % | {method} | " + " | ".join(cells) + " |")
    return lines


def certainty_lines(cases: Sequence[Case], judged: dict[str, Regressions]) -> list[str]:
    """Return in Markdown what a score means: how many labels are above it, and which part of them is wrong."""
    rows: dict[tuple[str, float, str], list[list[float]]] = defaultdict(list)
    for case in cases:
        for method, scores in ((OURS, predicted(judged[case.name], case)), (SHIPPED, case.shipped)):
            rows[case.name, case.rate, method].append(_certainty(case, scores))
    lines = [
        "| data | method | above 0.5 | of them wrong | above 0.8 | of them wrong | missing above 0.5, a label | runs |",
        "|---|---|" + "---:|" * 6,
    ]
    for (name, rate, method), runs in rows.items():
        half, wrong, high, surely_wrong, missing = np.array(runs).T
        cells = [f"{name}, {100 * rate:.0f} %", method, f"{100 * half.mean():.1f} %", _mean_of_known(wrong)]
        cells += [f"{100 * high.mean():.1f} %", _mean_of_known(surely_wrong), f"{100 * missing.mean():.1f} %"]
        lines.append(f"| {' | '.join(cells)} | {len(runs)} |")
    return lines


def weight_lines(cases: Sequence[Case]) -> list[str]:
    """Return the weights fitted on all sets, as `torchghm.review.verdict` holds them."""
    lines = []
    for name, memory in (("WITH_MEMORY", True), ("WITHOUT", False)):
        objects, places = (weights(model) for model in fit(cases, memory=memory))
        lines += [f"OBJECTS_{name} = {objects}", f"PLACES_{name} = {places[0]}"]
    return lines


def weights(model: LogisticRegression) -> list[list[float]]:
    """Return an intercept and the weight of each feature, a row for each kind."""
    rows: list[list[float]] = np.c_[model.intercept_, model.coef_].round(2).tolist()
    return rows


def _certainty(case: Case, scores: Scores) -> list[float]:
    total, places = scores.total, scores.places
    wrong = [wrong_above(score, total, case.kinds > 0) if case.rate else float("nan") for score in (0.5, 0.8)]
    missing = 0.0 if places is None else (places > 0.5).sum() / max(len(total), 1)
    return [(total > 0.5).mean(), wrong[0], (total > 0.8).mean(), wrong[1], missing]


def _mean_of_known(values: Floats) -> str:
    known = values[~np.isnan(values)]
    return f"{known.mean():.2f}" if len(known) else ""


def best_thresholds(rows: dict[str, list[float]]) -> dict[str, list[float]]:
    """Keep, of ObjectLab's thresholds, its own and those with the highest AUROC."""
    tuned = [method for method in rows if method.startswith(TUNED)]
    best = max(tuned, key=lambda method: rows[method][0], default=None)
    return {method: numbers for method, numbers in rows.items() if method == best or method not in tuned}


if __name__ == "__main__":
    main()
