"""The commands, put together. Each imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

import typer

from torchghm.cli.advice import advise
from torchghm.cli.comparison import compare, report
from torchghm.cli.data import data
from torchghm.cli.deployment import export
from torchghm.cli.errors import show_tracebacks
from torchghm.cli.recipes import recipes
from torchghm.cli.review import review
from torchghm.cli.training import evaluate, predict, train

app = typer.Typer(
    help="Train object detectors with gradient harmonizing losses, and see whether they help on your data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train")(train)
app.command("eval")(evaluate)
app.command("predict")(predict)
app.command("export")(export)
app.command("advise")(advise)
app.command("compare")(compare)
app.command("report")(report)
app.command("review")(review)
app.command("recipes")(recipes)
app.add_typer(data, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        from torchghm import __version__

        typer.echo(f"torchghm {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    traceback: bool = typer.Option(False, "--traceback", help="Show where an error comes from."),
) -> None:
    """Take the options that stand before a command."""
    if traceback:
        show_tracebacks()
