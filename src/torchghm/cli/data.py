"""`torchghm data check`, `data noise`, `data shards` and `data scenes`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from torchghm.cli.errors import plain_errors
from torchghm.cli.training import Overwrite, Strict

if TYPE_CHECKING:
    from torchghm.data import DetectionData

data = typer.Typer(help="Look at a data set, or make one.", no_args_is_help=True, rich_markup_mode=None)

UNUSABLE = 1

Layout = Annotated[str | None, typer.Option("--layout", help="coco, voc, yolo or shards; recognised by default.")]


@data.command()
@plain_errors
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    layout: Layout = None,
    shards_at: Annotated[
        str | None, typer.Option("--shards-at", help="Folder or URL of tar shards that are not beside their index.")
    ] = None,
    open_images: Annotated[bool, typer.Option("--images/--no-images", help="Also decode every image.")] = True,
    strict: Strict = False,
) -> None:
    """Show what is in a data set and what is wrong with it; exit code 1 if it can't be used, or is refused."""
    from torchghm.data import check_data

    found = check_data(folder, layout=layout, shards_at=shards_at, open_images=open_images)
    found.print()
    if not found.usable or (strict and found.problems):
        raise typer.Exit(UNUSABLE)


@data.command()
@plain_errors
def noise(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the data set.")],
    out: Annotated[Path, typer.Argument(help="Folder to make, outside of DIR.")],
    rate: Annotated[float, typer.Option("--rate", help="Share of the training labels to spoil, in [0, 1).")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same errors.")] = 0,
    layout: Layout = None,
) -> None:
    """Write a data set with known errors in its training labels, in COCO's layout; other splits stay clean.

    A quarter each of wrong classes, shifted, missing and spurious boxes; label_noise.json lists them.
    """
    from torchghm.data import load_data, write_noisy

    loaded = load_data(folder, layout=layout)
    _say_problems(loaded)
    made = write_noisy(loaded, out, rate=rate, seed=seed)
    typer.echo(f"data: {made}")


@data.command()
@plain_errors
def shards(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    size: Annotated[int, typer.Option("--size", help="Of a shard, in MiB.")] = 256,
    layout: Layout = None,
    overwrite: Overwrite = False,
) -> None:
    """Pack a data set into tar shards (WebDataset) that train, eval and compare read like the folder itself."""
    from torchghm.data import load_data, write_shards

    loaded = load_data(folder, layout=layout, val_fraction=0, test_fraction=0)
    _say_problems(loaded)
    made = write_shards(loaded, out, size=size, overwrite=overwrite)
    typer.echo(f"shards: {made}")


@data.command()
@plain_errors
def scenes(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    images: Annotated[int, typer.Option("--images", help="How many, in all splits together.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 0,
    label_noise: Annotated[
        float, typer.Option("--label-noise", help="Share of the training labels that are wrong, in [0, 1].")
    ] = 0.0,
    image_size: Annotated[
        tuple[int, int], typer.Option("--image-size", help="Height and width in pixels, 80 to 4000.")
    ] = (160, 213),
    overwrite: Overwrite = False,
) -> None:
    """Make the embedded data set: real digits on real photographs, in COCO's layout."""
    from torchghm.data import write_scenes

    made = write_scenes(
        folder, images=images, seed=seed, label_noise=label_noise, image_size=image_size, overwrite=overwrite
    )
    typer.echo(f"scenes: {made}")


def _say_problems(loaded: DetectionData) -> None:
    from torchghm.data.problems import counted

    for line in counted(loaded.problems):
        typer.echo(f"{loaded.root}: {line}", err=True)
