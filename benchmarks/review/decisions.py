"""Decisions that no person made: `python -m benchmarks.review.decisions RUN:DATA SCORE OUT.json [SET=RUNS:DATA ...]`.

Accepts every finding above a score, for `torchghm review --apply`. The weights are fitted on the runs named last, of
other data sets; without any they are the shipped ones, which may have seen this one. Printed is what an acceptance
does, by `label_noise.json`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.review.__main__ import read_all, weights
from benchmarks.review.cases import fit, run_again
from benchmarks.review.truth import Truth, load_truth
from torchghm.atomic_files import write_json
from torchghm.data.records import Records
from torchghm.review import verdict
from torchghm.review.correcting import FORM
from torchghm.review.evidence import Evidence, gather_evidence
from torchghm.review.findings import Finding


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the decisions, and print a line a kind."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review.decisions", description=__doc__)
    parser.add_argument("place", metavar="RUN:DATA")
    parser.add_argument("score", type=float)
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("sets", nargs="*", metavar="SET=RUNS:DATA")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args(arguments)
    run, _, data = options.place.rpartition(":")
    records, classes, detections, memory = run_again(Path(run), Path(data), options.cache)
    if cases := [case for text in options.sets for case in read_all(text, options.cache)]:
        objects, places = (weights(model) for model in fit(cases, memory=memory is not None))
        suffix = "WITHOUT" if memory is None else "WITH_MEMORY"
        setattr(verdict, f"OBJECTS_{suffix}", objects)
        setattr(verdict, f"PLACES_{suffix}", places[0])
    evidence = gather_evidence(records, detections, memory)
    found = verdict.find_wrong_labels(records, evidence, memory, least=options.score)
    truth = load_truth(Path(data), records, evidence.agreement)
    kinds = dict(zip(evidence.agreement.objects.tolist(), truth.objects.tolist(), strict=True))
    decisions = [_decision(finding, records, classes) for finding in found]
    write_json(options.out, {"torchghm_review": FORM, "decisions": decisions})
    for (kind, injected), count in sorted(
        Counter((f.kind, _injected(f, kinds, evidence, truth)) for f in found).items()
    ):
        print(f"{kind}: {count} where {injected}")


def _injected(finding: Finding, kinds: dict[int, str], evidence: Evidence, truth: Truth) -> str:
    """Describe what was injected into the label, or at the place."""
    if finding.annotation >= 0:
        return kinds[finding.annotation] or "nothing was injected"
    at = evidence.agreement.free_image == finding.image
    at &= (evidence.agreement.free_box == np.array(finding.suggested_box)).all(axis=1)
    return {1: "missing", 0: "nothing was injected", -1: "another error"}[int(truth.places[at].max())]


def _decision(finding: Finding, records: Records, classes: Sequence[str]) -> dict[str, Any]:
    """In the form in which the page saves one."""
    return {
        "finding": finding.name,
        "decision": "accept",
        "kind": finding.kind,
        "score": finding.score,
        "image": records.name(finding.image),
        "annotation": finding.annotation if finding.annotation >= 0 else None,
        "class": classes[finding.label] if finding.label >= 0 else None,
        "box": None if finding.box is None else list(finding.box),
        "suggested_class": classes[finding.suggested_label] if finding.suggested_label >= 0 else None,
        "suggested_box": None if finding.suggested_box is None else list(finding.suggested_box),
    }


if __name__ == "__main__":
    main()
