"""`torchghm export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torchghm.cli.early_checks import check_folder, check_run
from torchghm.cli.errors import plain_errors
from torchghm.cli.training import Overwrite, counted


@plain_errors
def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run folder or a checkpoint.")],
    format_: Annotated[str, typer.Option("--format", help="onnx, torchscript or torch.export.")] = "onnx",
    data: Annotated[
        Path | None, typer.Option("--data", help="Data set whose validation images the export is checked with.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file; beside the checkpoint by default.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a trained detector as one file, and check that it finds the same as the checkpoint."""
    check_run(checkpoint)
    if data is not None:
        check_folder(data)
    from torchghm.training.deployment.export import export as run

    done = run(checkpoint, format_, data=data, out=out, overwrite=overwrite)  # type: ignore[arg-type]
    if done.detections:
        typer.echo(
            f"the same {counted(done.detections, 'detection')} in {counted(done.images, 'image')}: boxes to "
            f"{done.pixels:.2g} pixels, scores to {done.score:.2g}"
        )
    else:
        others = "those of another data set may have more" if data is not None else "name a data set with --data"
        typer.echo(
            f"not compared: the checkpoint finds nothing in the {counted(done.images, 'image')}; {others}", err=True
        )
    typer.echo(f"exported: {done.file}")
