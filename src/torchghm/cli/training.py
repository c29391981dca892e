"""`torchghm train`, `eval` and `predict`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from torchghm.cli.early_checks import check_folder, check_out, check_run, read_settings
from torchghm.cli.errors import only_errors, plain_errors
from torchghm.printable import printable

if TYPE_CHECKING:
    from torchghm.data import DetectionData

Data = Annotated[Path, typer.Option("--data", help="Folder of the data set; docs/data.md lists the layouts.")]
RecipeName = Annotated[
    str | None, typer.Option("--recipe", help="A recipe's name or YAML file; the one that fits the data by default.")
]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe; as often as you like."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse data with any problem, also those that can be dealt with.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what the output folder holds.")]
Progress = Annotated[bool, typer.Option("--progress/--no-progress", help="Show how far it is.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")]
Device = Annotated[str | None, typer.Option("--device", help='For example "cpu" or "cuda:1".')]

STRICT = ["data.strict=true"]
"""Values of the recipe that --strict sets."""


@plain_errors
def train(
    data: Data,
    recipe: RecipeName = None,
    settings: Settings = [],  # noqa: B006 (Typer's way to say "none")
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/RECIPE by default.")] = None,
    strict: Strict = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    overwrite: Overwrite = False,
    progress: Progress = True,
    quiet: Quiet = False,
) -> None:
    """Train a detector on a data set.

    Writes a run folder: checkpoints, metrics, the resolved recipe, the final evaluation.
    """
    if resume and overwrite:
        raise ValueError("Expected --resume or --overwrite, but got both")
    check_folder(data)
    from torchghm.training.run_folder import RunFolder

    own = RunFolder(out).recipe if resume and recipe is None and out is not None else None
    base = own if own is not None and own.is_file() else recipe
    values, chosen = read_settings([*settings, *(STRICT if strict else [])], base)
    out = out or Path("runs", chosen.name)
    if not resume:
        check_out(out, chosen, overwrite=overwrite)
    found: Path | DetectionData = data
    if base is None:
        from torchghm.training.loop.recipe_data import load_fitting

        found, chosen = load_fitting(data, values)

    from torchghm.cli.tables import print_metrics
    from torchghm.training.run import train as run

    with only_errors(quiet):
        results = run(
            found, recipe=chosen, out=out, overwrite=overwrite, resume=resume, progress=progress and not quiet
        )
    if results and not quiet:  # only the first of several processes has any
        epochs = "1 epoch" if results["epochs"] == 1 else f"{results['epochs']} epochs"
        print_metrics(results, f"{results['name']} on {results['split']}, after {epochs}")
        typer.echo(f"run folder: {out}")


@plain_errors
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run folder or a checkpoint.")],
    data: Data,
    split: Annotated[str | None, typer.Option("--split", help='"test", or several: "val,test".')] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the numbers to this JSON file.")] = None,
    write: Annotated[
        bool, typer.Option("--write/--no-write", help="Leave evaluation.json and pictures in the run's folder.")
    ] = True,
    device: Device = None,
) -> None:
    """Measure a trained detector: average precision, the threshold to deploy, calibration, kinds of errors.

    Thresholds have the largest F1 on the split val, whichever split is evaluated; a detection is right that overlaps an
    object of its class by one half, each object once, the highest score first. torchghm report RUN shows the curves and
    the images with most errors.
    """
    if out is not None and out.is_dir():
        raise ValueError(f"Expected --out to be a file, but got the folder {str(out)!r}")
    check_folder(data)
    check_run(checkpoint)
    from torchghm.atomic_files import write_json
    from torchghm.cli.diagnosis_tables import print_diagnosis
    from torchghm.cli.tables import print_metrics
    from torchghm.results.files import RunFiles
    from torchghm.training.evaluation.evaluate import evaluate as run
    from torchghm.training.loop.processes import is_first

    found = run(checkpoint, data, split, device=device, write=write)
    if not is_first():
        return
    numbers = asdict(found)
    print_metrics(numbers, f"{found.checkpoint} on {found.images} images of {found.split}")
    print_diagnosis(found)
    if write and checkpoint.is_dir():
        typer.echo(f"evaluation: {RunFiles(checkpoint).evaluation}; torchghm report {checkpoint} shows it")
    if out is not None:  # last: what was measured is seen in any case
        write_json(out, numbers)


@plain_errors
def predict(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="RUN|CHECKPOINT|ONNX", help="A run folder, a checkpoint, or an exported ONNX file."),
    ],
    images: Annotated[list[Path], typer.Argument(help="Image or video files, folders of them, or patterns (*.jpg).")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the drawn images and the predictions.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Data set that the images are of, for the ids that it has for them.")
    ] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="Lowest score shown, in [0, 1].")] = 0.3,
    overwrite: Overwrite = False,
    device: Device = None,
) -> None:
    """Find objects in images: drawn boxes, JSON in COCO's format of results, CSV, and text in YOLO's form.

    Images that cannot be read are left out and named; the exit code is 1 then.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"Expected --threshold to be in [0, 1], but got {threshold:g}")
    check_run(checkpoint)
    if data is not None:
        check_folder(data)
    from torchghm.training.evaluation.image_sources import image_files

    image_files(images)
    from torchghm.training.evaluation.predict import predict as run

    found = run(checkpoint, images, out, data=data, threshold=threshold, overwrite=overwrite, device=device)
    said = f"{counted(found.images, 'image')}, {counted(found.objects, 'object')} at or above {threshold:g}"
    if not found.objects and found.best is not None:
        said += f"; the best has {found.best:.2f}: lower --threshold"
    typer.echo(f"{said}\npredictions: {found.folder}")
    for error in found.unreadable:
        typer.echo(f"left out: {printable(str(error))}", err=True)
    if found.unreadable:
        raise typer.Exit(1)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
