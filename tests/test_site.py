"""The documentation site: built with warnings as errors, every public name in it, nothing fetched from elsewhere."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize("module", ["", "functional", "detection", "data", "training", "review", "report"])
def test_every_public_name_has_an_entry(site, module):
    page = (site / "reference" / f"{module or 'torchghm'}.html").read_text()
    full_name = f"torchghm.{module}" if module else "torchghm"
    for name in import_module(full_name).__all__:
        if not name.startswith("__") and not (not module and name == "functional"):
            assert f'id="{full_name}.{name}"' in page


def test_results_are_those_of_the_repository(site):
    for record in (ROOT / "benchmarks/results").rglob("*.md"):
        assert (site / record.relative_to(ROOT)).with_suffix(".html").exists()


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="?https?:', page.read_text()), page
        assert not re.findall(r'<link[^>]+rel="?stylesheet"?[^>]+href="?https?:', page.read_text()), page
    assert (site / "search/search_index.json").exists()


def test_figures_of_the_paper_are_drawn(site):
    assert {path.stem for path in (site / "figures").iterdir()} == {"classification", "losses", "regression"}
