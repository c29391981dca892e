"""`torchghm data check`, `convert`, `split`, `noise`, `shards` and `scenes`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torchghm.cli.errors import plain_errors
from torchghm.cli.training import Overwrite, Strict

if TYPE_CHECKING:
    from torchghm.data import DetectionData

data = typer.Typer(help="Look at a data set, or make one.", no_args_is_help=True, rich_markup_mode=None)

UNUSABLE = 1

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the data set.")]
Out = Annotated[Path, typer.Argument(help="Folder to make, outside of DIR.")]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout", help="coco, voc, yolo, csv, imagefolder, cvat, labelme, via or shards; recognised by default."
    ),
]
Boxes = Annotated[
    str | None,
    typer.Option("--boxes", help="What boxes are: xyxy, xywh or cxcywh, each also with -pixels or -fractions."),
]
Crowds = Annotated[
    str | None,
    typer.Option("--crowds", help='"objects" takes crowds and difficult objects for ordinary objects.'),
]
Unlabelled = Annotated[
    str | None, typer.Option("--unlabelled", help='"background": images without a label file have nothing to see.')
]


@data.command()
@plain_errors
def check(
    folder: Folder,
    layout: Layout = None,
    boxes: Boxes = None,
    crowds: Crowds = None,
    unlabelled: Unlabelled = None,
    shards_at: Annotated[
        str | None, typer.Option("--shards-at", help="Folder or URL of tar shards that are not beside their index.")
    ] = None,
    open_images: Annotated[bool, typer.Option("--images/--no-images", help="Also decode every image.")] = True,
    strict: Strict = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page with drawn samples.")] = None,
) -> None:
    """Show what is in a data set and what is wrong with it; exit code 1 if it can't be used, or is refused."""
    from torchghm.data import check_data, write_check_page

    options = _assumed(boxes, crowds, unlabelled)
    found = check_data(folder, layout=layout, shards_at=shards_at, open_images=open_images, **options)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2, ensure_ascii=True))
    else:
        found.print()
    if html is not None:
        typer.echo(f"page: {write_check_page(found, html)}", err=as_json)
    if not found.usable or (strict and any(problem.doubtful for problem in found.problems)):
        raise typer.Exit(UNUSABLE)


@data.command()
@plain_errors
def convert(
    folder: Folder,
    out: Out,
    to: Annotated[str, typer.Option("--to", help="coco, voc or yolo.")],
    layout: Layout = None,
    boxes: Boxes = None,
    crowds: Crowds = None,
    unlabelled: Unlabelled = None,
) -> None:
    """Write a data set in another layout, with the splits that it has."""
    from torchghm.data import load_data, write_data

    options = _assumed(boxes, crowds, unlabelled)
    loaded = load_data(folder, layout=layout, val_fraction=0, test_fraction=0, **options)
    _say_problems(loaded)
    typer.echo(f"data: {write_data(loaded, out, to=to)}")


@data.command()
@plain_errors
def split(
    folder: Folder,
    out: Out,
    val_fraction: Annotated[float, typer.Option("--val", help="Share of the images for validation, in [0, 1).")] = 0.1,
    test_fraction: Annotated[float, typer.Option("--test", help="Share of the images for testing, in [0, 1).")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same splits.")] = 0,
    to: Annotated[str | None, typer.Option("--to", help="coco, voc or yolo; the layout of DIR by default.")] = None,
    layout: Layout = None,
    boxes: Boxes = None,
    crowds: Crowds = None,
    unlabelled: Unlabelled = None,
) -> None:
    """Join all splits of a data set, draw new ones at random, and write them."""
    from torchghm.data import load_data, split_data, write_data

    options = _assumed(boxes, crowds, unlabelled)
    loaded = load_data(folder, layout=layout, val_fraction=0, test_fraction=0, **options)
    _say_problems(loaded)
    divided = split_data(loaded, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    typer.echo(f"data: {write_data(divided, out, to=to or _writable(loaded.layout))}")


@data.command()
@plain_errors
def noise(
    folder: Folder,
    out: Out,
    rate: Annotated[float, typer.Option("--rate", help="Share of the training labels to spoil, in [0, 1).")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same errors.")] = 0,
    layout: Layout = None,
    boxes: Boxes = None,
    crowds: Crowds = None,
    unlabelled: Unlabelled = None,
) -> None:
    """Write a data set with known errors in its training labels, in COCO's layout; other splits stay clean.

    A quarter each of wrong classes, shifted, missing and spurious boxes; label_noise.json lists them.
    """
    from torchghm.data import load_data, write_noisy

    loaded = load_data(folder, layout=layout, **_assumed(boxes, crowds, unlabelled))
    _say_problems(loaded)
    made = write_noisy(loaded, out, rate=rate, seed=seed)
    typer.echo(f"data: {made}")


@data.command()
@plain_errors
def shards(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    size: Annotated[int, typer.Option("--size", help="Of a shard, in MiB.")] = 256,
    layout: Layout = None,
    boxes: Boxes = None,
    crowds: Crowds = None,
    unlabelled: Unlabelled = None,
    overwrite: Overwrite = False,
) -> None:
    """Pack a data set into tar shards (WebDataset) that train, eval and compare read like the folder itself."""
    from torchghm.data import load_data, write_shards

    options = _assumed(boxes, crowds, unlabelled)
    loaded = load_data(folder, layout=layout, val_fraction=0, test_fraction=0, **options)
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


def _writable(layout: str) -> str:
    return layout if layout in ("coco", "voc", "yolo") else "coco"


def _assumed(boxes: str | None, crowds: str | None, unlabelled: str | None) -> dict[str, Any]:
    """Return the user's assumptions on the data as arguments of `load_data`, which checks them."""
    return {"boxes": boxes, "crowds": crowds, "unlabelled": unlabelled}


def _say_problems(loaded: DetectionData) -> None:
    from torchghm.data.problems import counted

    for line in counted(loaded.problems):
        typer.echo(f"{loaded.root}: {line}", err=True)
