"""Pages of the site that are made when it is built: reference, results, changelog, start, the paper's figures.

Texts outside `docs/` are read where they are, so that no copy grows old. Links that lead out of
`docs/` in the repository lead to the page made of their target.
"""

import importlib
import re
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODULES = ("", "functional", "detection", "data", "training", "review", "report")
"""Modules whose public names, those of ``__all__``, are the reference."""
COPIED = (
    "benchmarks/results/**/*.md",
    "benchmarks/results/**/*.svg",
    "benchmarks/results/**/*.csv",
    "examples/**/*.py",
)
KERNELS = "src/torchghm/kernels/cpu/README.md"


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made, and the files that pages link to."""
    from mkdocs.structure.files import File

    pages = {f"reference/{name or 'torchghm'}.md": reference(name) for name in MODULES}
    pages |= {"results.md": results(), "changelog.md": text("CHANGELOG.md"), "index.md": text("README.md")}
    pages[KERNELS] = text(KERNELS)
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    for pattern in COPIED:
        for path in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for name, content in figures().items():
        files.append(File.generated(config, f"figures/{name}.svg", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links of the repository into links of the site."""
    source = page.file.src_uri
    home = "" if source == "index.md" or source.startswith(("benchmarks", "src")) else "docs/"
    depth = source.count("/")

    def to_site(match: re.Match[str]) -> str:
        target, _, anchor = match[1].partition("#")
        if not target or ":" in target:
            return match[0]
        folder = Path(home + source).parent if source not in ("changelog.md",) else Path()
        parts: list[str] = []
        for part in (folder / target).parts:
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        path = "/".join(parts).removeprefix("docs/")
        path = {"benchmarks/results/accuracy": "results.md", "README.md": "index.md", "CONTRIBUTING.md": ""}.get(
            path, path
        )
        if not path:
            return match[0].split("](")[0].lstrip("!") + "]"
        return "](" + "../" * depth + path + ("#" + anchor if anchor else "") + ")"

    return re.sub(r"\]\(([^)\s]+)\)", to_site, markdown)


def text(name: str) -> str:
    """Read a text of the repository."""
    return (ROOT / name).read_text()


def reference(name: str) -> str:
    """Write the page of a module: its docstring, and every public name."""
    module = importlib.import_module(f"torchghm.{name}" if name else "torchghm")
    listed = [public for public in module.__all__ if not public.startswith("__")]
    if not name:
        listed = [public for public in listed if public not in MODULES]
    blocks = "\n\n".join(f"::: {module.__name__}.{public}" for public in listed)
    return f"# {module.__name__}\n\n{module.__doc__}\n\n{blocks}\n"


def results() -> str:
    """List what was measured, newest first, by the title of each record."""
    rows = []
    for path in (ROOT / "benchmarks/results").rglob("*.md"):
        title = path.read_text().split("\n", 1)[0].lstrip("# ").strip() or path.stem
        title = re.sub(r"[\[\]|]", "", title)
        rows.append((path.name[:10], title, path.relative_to(ROOT).as_posix()))
    table = "\n".join(f"| {day} | [{title}]({name}) |" for day, title, name in sorted(rows, reverse=True))
    return (
        f"# Results\n\nEvery record that the texts quote, as it was written.\n\n| day | record |\n|---|---|\n{table}\n"
    )


def figures() -> dict[str, str]:
    """Draw the paper's figures with `torchghm.report`: an exponential tail of easy negatives, a bump of outliers."""
    import numpy as np

    from torchghm.report import plot_regression_losses, plot_reweighted_classification, plot_reweighted_regression

    g = (np.arange(60) + 0.5) / 60
    positive = np.rint(200 * np.exp(-(((g - 0.6) / 0.3) ** 2)))
    negative = np.rint(1e6 * np.exp(-g / 0.03) + 300 * np.exp(-((1 - g) / 0.03)) + 20)
    edges = np.concatenate([[0.0], np.logspace(-4, 0, 61)])
    residuals = np.rint(1000 * np.exp(-(((np.log10(edges[1:]) + 1.8) / 0.6) ** 2)) + 5)
    plots = {
        "classification": plot_reweighted_classification(positive, negative),
        "regression": plot_reweighted_regression(edges, residuals),
        "losses": plot_regression_losses(),
    }
    drawn = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (figure, _) in plots.items():
            path = Path(folder, name + ".svg")
            figure.savefig(path, bbox_inches="tight", facecolor="white")
            drawn[name] = path.read_text()
    return drawn
