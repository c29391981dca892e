"""`torchghm review`: which training labels are wrong, and a corrected copy of the data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from torchghm.cli.data import Boxes, Crowds, Layout, Unlabelled
from torchghm.cli.early_checks import check_folder, check_run
from torchghm.cli.errors import plain_errors
from torchghm.cli.training import Device


@plain_errors
def review(
    places: Annotated[
        list[Path], typer.Argument(metavar="RUN | DATA OUT", help="A run; with --apply the data and the copy to make.")
    ],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the data; by default the one that the run was trained on.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the findings and the page.")] = None,
    decisions: Annotated[
        Path | None, typer.Option("--apply", metavar="DECISIONS", help="File of decisions that the page saved.")
    ] = None,
    device: Device = None,
    layout: Layout = None,
    boxes: Boxes = None,
    crowds: Crowds = None,
    unlabelled: Unlabelled = None,
) -> None:
    """Find wrong labels from how the training went for each; or write a corrected copy.

    `torchghm review RUN --out DIR` writes review.html, findings.csv, findings.json, and the same for FiftyOne, Label
    Studio and CVAT. `torchghm review --apply DECISIONS DATA OUT` writes a copy with the accepted findings corrected;
    it takes --layout, --boxes, --crowds and --unlabelled, where the recipe of the training had them as data.layout etc.
    """
    reading = {"layout": layout, "boxes": boxes, "crowds": crowds, "unlabelled": unlabelled}
    if decisions is not None:
        if len(places) != 2 or {data, out, device} != {None}:
            raise ValueError(
                "Expected `torchghm review --apply DECISIONS DATA OUT`: two folders, and no option but --layout, "
                "--boxes, --crowds and --unlabelled"
            )
        _apply(decisions, places[0], places[1], reading)
        return
    for name, value in reading.items():
        if value is not None:
            raise ValueError(f"Expected --{name} with --apply, but got it for a run, whose recipe has data.{name}")
    if len(places) != 1 or out is None:
        raise ValueError("Expected `torchghm review RUN --out DIR`: one run, and the folder to make")
    check_run(places[0])
    if data is not None:
        check_folder(data)
    from torchghm.training.evaluation.label_review import review as run

    findings = run(places[0], out, data, device=device)
    for kind, count in Counter(found.kind for found in findings).most_common():
        typer.echo(f"{kind}: {count} findings, {sum(f.kind == kind and f.score > 0.5 for f in findings)} above 0.5")
    typer.echo(f"review: {out / 'review.html'}")


def _apply(decisions: Path, data: Path, out: Path, reading: dict[str, Any]) -> None:
    from torchghm.data import load_data
    from torchghm.data.problems import counted
    from torchghm.review.correcting import LOG_FILE, read_decisions, write_corrected

    decided = read_decisions(decisions)
    loaded = load_data(data, val_fraction=0, test_fraction=0, **reading)
    for line in counted(loaded.problems):
        typer.echo(f"{loaded.root}: {line}", err=True)
    made = write_corrected(loaded, decided, out)
    typer.echo(f"data: {made}, changes in {made / LOG_FILE}")
