"""`torchghm advise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torchghm.cli.early_checks import check_folder, check_run, read_settings
from torchghm.cli.errors import plain_errors
from torchghm.cli.training import Data, Device, RecipeName, Settings


@plain_errors
def advise(
    data: Data,
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run's folder or checkpoint, instead of a dry pass.")
    ] = None,
    recipe: RecipeName = None,
    settings: Settings = [],  # noqa: B006 (Typer's way to say "none")
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps of the dry pass; 100 by default.")] = None,
    batches: Annotated[int, typer.Option("--batches", min=2, help="Batches to look at.")] = 25,
    device: Device = None,
) -> None:
    """Say what to expect of GHM on a data set.

    Trains for a few steps with focal loss and smooth L1, or takes a run's detector, and counts the gradient norms of
    some training batches. Nothing is written.
    """
    check_folder(data)
    if run is not None:
        if recipe is not None or settings or steps is not None:
            raise ValueError("Expected a run, or --recipe, --set and --steps of a dry pass, but got both")
        check_run(run)
    values, chosen = read_settings(settings, recipe)
    from torchghm.report.advice import BINS, MU, advice_of, facts_of
    from torchghm.report.figures.palette import LOSS_LABELS
    from torchghm.training.evaluation.dry_pass import count_examples, dry_pass
    from torchghm.training.evaluation.evaluate import usable_device
    from torchghm.training.loop.checkpoints import load_checkpoint
    from torchghm.training.loop.recipe_data import load_fitting, load_recipe_data
    from torchghm.training.run_folder import checkpoint_of

    where = usable_device(device)
    if run is None:
        steps = steps or 100
        if recipe is None:
            loaded, chosen = load_fitting(data, values)
        else:
            loaded = load_recipe_data(data, chosen.data)
        counts = dry_pass(loaded, chosen, where, steps=steps, batches=batches)
        origin = f"after {steps} step{'' if steps == 1 else 's'} of focal + smooth L1"
    else:
        saved = load_checkpoint(checkpoint_of(run))
        loaded = load_recipe_data(data, saved.recipe.data)
        saved.check_classes(loaded.classes)
        counts = count_examples(saved.module().to(where), loaded, where, batches=batches)
        origin = f"as {run} sees them"
    facts = facts_of(counts.positive.numpy(), counts.negative.numpy(), counts.residual.numpy())
    typer.echo(f"{batches} training batches of {counts.images} images, {origin}\n")
    shares = ", ".join(f"{LOSS_LABELS[name]} {share:.0%}" for name, share in facts.positive_share.items())
    for name, value in {
        "examples a batch": f"{facts.examples:,.0f}, of them {facts.positives:,.0f} positive",
        f"unit regions of {BINS} with examples": f"{facts.occupied:.1f}",
        "density from one batch": f"off by {facts.density_error:.0%} in a middling region",
        "in a crowd, weight below 1": f"{facts.quieted:.1%} of the examples",
        "positives' part of the gradient": shares,
        "|d| of box coordinates": f"median {facts.residual:.2g}; {facts.saturated:.0%} saturated at mu = {MU:g}",
    }.items():
        typer.echo(f"  {name:<34}{value}")
    typer.echo("")
    for sentence in advice_of(facts):
        typer.echo(f"- {sentence}")
