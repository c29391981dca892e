"""The documentation site: built with warnings as errors, every public name in it, nothing fetched from elsewhere."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = ("", "functional", "detection", "data", "training", "review", "report")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def public_names(module: str) -> list[str]:
    names = import_module(f"torchghm.{module}" if module else "torchghm").__all__
    return [name for name in names if not name.startswith("__") and not (not module and name == "functional")]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_an_entry(site, module):
    page = (site / "reference" / f"{module or 'torchghm'}.html").read_text()
    full_name = f"torchghm.{module}" if module else "torchghm"
    for name in public_names(module):
        assert f'id="{full_name}.{name}"' in page


def test_results_are_those_of_the_repository(site):
    for record in (ROOT / "benchmarks/results").rglob("*.md"):
        assert (site / record.relative_to(ROOT)).with_suffix(".html").exists()


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="?https?:', page.read_text()), page
        assert not re.findall(r'<link[^>]+rel="?stylesheet"?[^>]+href="?https?:', page.read_text()), page
    assert (site / "search/search_index.json").exists()


def test_the_search_finds_every_public_name_and_every_page(site):
    entries = json.loads((site / "search/search_index.json").read_text())["docs"]
    places = {entry["location"] for entry in entries}
    for module in MODULES:
        full_name = f"torchghm.{module}" if module else "torchghm"
        for name in public_names(module):
            assert f"reference/{module or 'torchghm'}.html#{full_name}.{name}" in places
    pages = {f"{page.stem}.html" for page in (ROOT / "docs").glob("*.md")} | {"index.html", "results.html"}
    assert pages <= {place.split("#")[0] for place in places}
    (found,) = [entry for entry in entries if entry["location"] == "reference/torchghm.html#torchghm.GHMCLoss"]
    assert "GHMCLoss" in found["title"]


def test_the_search_runs_without_a_network(site):
    """The script that searches is the site's own, and what it reads is beside it."""
    worker = re.search(r'"search":\s*"([^"]+)"', (site / "index.html").read_text())
    assert worker
    assert (site / worker[1]).is_file()


def test_figures_of_the_paper_are_drawn(site):
    assert {path.stem for path in (site / "figures").iterdir()} == {"classification", "losses", "regression"}
