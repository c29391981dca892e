"""The page: one HTML file that opens without a network and shows what a run or a comparison did."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib import style

from torchghm.atomic_files import write_text
from torchghm.report import captions
from torchghm.report.evaluation_sections import evaluation_sections
from torchghm.report.figures.palette import PALETTE, method_label, stylesheet_variables
from torchghm.report.gradient_sections import classification_sections, regression_sections
from torchghm.report.learning_sections import (
    average_precision_section,
    differences_section,
    losses_section,
    per_class_section,
    samples_section,
    weights_section,
)
from torchghm.report.result_table import duration, lead, more_seeds, score, table_rows
from torchghm.report.section import Methods, Section
from torchghm.results.average_precision import METRIC_LABELS
from torchghm.results.comparison import Comparison, read_comparison
from torchghm.results.files import ComparisonFiles, RunFiles, check_results
from torchghm.results.run import Run, read_run


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write the page of a run or a comparison: one self-contained HTML file.

    Arguments:
        folder: a run folder (with `results.json`) or a comparison folder (with `comparison.json`).
        out: the file to write; `report.html` in `folder` by default. It is replaced as a whole, or not at all.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: if `folder` is neither, or the folder of `out` does not exist.
        ValueError: if a file in `folder` is malformed; the message names the file and the field.
        WriteError: if the disk is full, or the page may not be written.

    Examples:
        >>> write_report("runs/demo")  # doctest: +SKIP
        PosixPath('runs/demo/report.html')
    """
    folder = Path(folder)
    check_results(folder)
    if out is not None and (Path(out).is_dir() or not Path(out).parent.is_dir()):
        raise FileNotFoundError(f"Expected argument `out` to be a file in an existing folder, but got {out}")
    # Whatever the user's matplotlib settings: LaTeX, for one, would run what a class name says.
    with style.context("default"):
        html = _page(folder)
    page = RunFiles(folder).page if out is None else Path(out)
    write_text(page, html)
    return page


def _page(folder: Path) -> str:
    if ComparisonFiles(folder).table.is_file():
        return _comparison_page(read_comparison(folder))
    return _run_page(read_run(folder))


def _run_page(run: Run) -> str:
    methods = {run.method: (run,)}
    facts = [
        ("Classification loss", method_label(run.cls)),
        ("Box loss", method_label(run.box)),
        ("Split", run.split),
        ("Seed", "" if run.seed is None else str(run.seed)),
        *_training_facts(run),
    ]
    return _render(
        title=run.name,
        kind="Run",
        lead="One run shows how a loss behaves, not whether it helps: for that, compare losses over several seeds with "
        "torchghm compare.",
        facts=facts,
        scores=[(METRIC_LABELS.get(name, name), score(value)) for name, value in run.metrics.items()],
        table=None,
        sections=_sections(methods, run.split, first=evaluation_sections(run)),
        gradients=_gradients(methods),
        folded=_recipes(methods),
    )


def _comparison_page(comparison: Comparison) -> str:
    methods = {method.name: method.runs for method in comparison.methods}
    seeds = ", ".join(str(seed) for seed in comparison.seeds)
    facts = [
        ("Data", comparison.data),
        ("Split", comparison.split),
        ("Seeds", seeds),
        ("Baseline", method_label(comparison.baseline)),
        *_training_facts(comparison.methods[0].runs[0]),
    ]
    table = {
        "metrics": [METRIC_LABELS.get(metric, metric) for metric in comparison.metrics],
        "rows": table_rows(comparison),
        "baseline": method_label(comparison.baseline),
        "seeds": len(comparison.seeds),
        "more_seeds": more_seeds(comparison),
    }
    differences = differences_section(comparison)
    return _render(
        title=f"{len(comparison.methods)} methods on {comparison.data or comparison.path.name}",
        kind="Comparison",
        lead=f"{comparison.unfinished} {lead(comparison)}".strip(),
        facts=facts,
        scores=[],
        table=table,
        sections=_sections(methods, comparison.split, first=[differences]),
        gradients=_gradients(methods),
        folded=_recipes(methods),
    )


def _sections(methods: Methods, split: str, first: Sequence[Section | None]) -> list[Section]:
    """Return `first` and the sections of both kinds of page, in a reader's order, the samples second."""
    candidates = (
        *first,
        average_precision_section(methods),
        per_class_section(methods, split),
        losses_section(methods),
    )
    sections = [section for section in candidates if section is not None]
    if (samples := samples_section(methods)) is not None:
        sections.insert(1, samples)
    return sections


def _gradients(methods: Methods) -> list[Section]:
    """Return the sections that are folded: what the losses make of the gradients."""
    sections = (*classification_sections(methods), weights_section(methods), *regression_sections(methods))
    return [section for section in sections if section is not None]


def _training_facts(run: Run) -> list[tuple[str, str]]:
    return [
        ("Epochs", "" if run.epochs is None else f"{run.epochs:g}"),
        ("Steps", "" if run.steps is None else f"{run.steps:,.0f}"),
        ("Training time", duration((run,))),
        ("Device", run.versions.get("device", "")),
    ]


def _recipes(methods: Methods) -> list[tuple[str, str, Mapping[str, str]]]:
    """Return heading, recipe and versions of each method's first run, where it has either."""
    firsts = [(method_label(method), runs[0]) for method, runs in methods.items()]
    return [(label, run.recipe or "", run.versions) for label, run in firsts if run.recipe or run.versions]


def _render(**content: object) -> str:
    """Fill the template; its policy allows this one stylesheet and inline images, and nothing else."""
    templates = files("torchghm.report") / "templates"
    light, dark = stylesheet_variables(0), stylesheet_variables(1)
    stylesheet = (
        f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        + "".join(f".c-{name}{{--chip:var(--{name.replace('_', '-')})}}" for name in PALETTE)
        + "\n"
        + (templates / "report.css").read_text(encoding="utf-8")
    )
    digest = base64.b64encode(hashlib.sha256(stylesheet.encode("utf-8")).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((templates / "report.html.j2").read_text(encoding="utf-8"))
    words = {"gradients_words": captions.GRADIENTS, "glossary": captions.GLOSSARY}
    return template.render(stylesheet=Markup(stylesheet), style_digest=digest, **words, **content)
