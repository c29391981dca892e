"""The page in a real browser: everything is drawn, in light and dark, and nothing is blocked or refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.results.synthetic_folders import write_run
from tests.training.evaluation.diagnosis.random_images import random_image, seen

from torchghm.report import write_report
from torchghm.report.figures.palette import PALETTE
from torchghm.results.evaluation import Evaluation
from torchghm.training.evaluation.diagnosis.diagnose import diagnose

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, chromium-browser or google-chrome")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--virtual-time-budget=10000",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
]

# Measures each figure and each of its images, and leaves the result in the document. The images are loaded before the
# page's own `load` event, which waits for them: the browser's virtual time does not wait for whatever comes after it.
MEASURE = """
const pictures = [...document.querySelectorAll('svg image')].map(image => {
  const picture = new Image();
  picture.src = image.getAttribute('href');
  return picture;
});
addEventListener('load', () => {
  const result = {plots: [], colors: [], dark: matchMedia('(prefers-color-scheme: dark)').matches};
  for (const plot of document.querySelectorAll('svg.plot')) {
    const box = plot.getBoundingClientRect(), drawn = plot.getBBox();
    result.plots.push([box.width, box.height, drawn.width, plot.querySelectorAll('path,use,image').length]);
  }
  result.images = pictures.map(picture => picture.naturalWidth);
  for (const line of document.querySelectorAll('#reweighted-cls path[stroke="var(--ghmc)"]'))
    result.colors.push(getComputedStyle(line).stroke);
  result.ground = getComputedStyle(document.body).backgroundColor;
  result.tables = [...document.querySelectorAll('.scroll')].map(table => table.scrollWidth - table.clientWidth);
  result.overflow = document.documentElement.scrollWidth - innerWidth;
  document.body.dataset.result = JSON.stringify(result);
});
"""


def open_page(page: Path, profile: Path, *flags: str) -> tuple[str, list[str]]:
    """The document after its scripts, and what the console said."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def measured(page: Path, tmp_path: Path, *flags: str) -> dict:
    """Open a copy of the page whose policy also lets the measuring script run."""
    digest = base64.b64encode(hashlib.sha256(MEASURE.encode()).digest()).decode()
    html = page.read_text(encoding="utf-8")
    html = html.replace("default-src 'none';", f"default-src 'none'; script-src 'sha256-{digest}';")
    copy = tmp_path / "measured.html"
    copy.write_text(html.replace("</body>", f"<script>{MEASURE}</script></body>"), encoding="utf-8")
    document, console = open_page(copy, tmp_path / "profile", *flags)
    assert console == []
    result = re.search(r'data-result="([^"]*)"', document)
    assert result is not None
    return json.loads(result[1].replace("&quot;", '"'))


def as_rgb(value: str) -> str:
    return f"rgb({', '.join(str(int(value[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_the_console_is_heard(tmp_path: Path):
    """Without this control an empty console would prove nothing."""
    page = tmp_path / "blocked.html"
    page.write_text(
        "<!doctype html><meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><p style='color:red'>"
    )
    _, console = open_page(page, tmp_path / "profile")
    assert any("Content Security Policy" in line for line in console)


def test_a_run_is_drawn_without_a_complaint(run_page: Path, tmp_path: Path):
    document, console = open_page(run_page, tmp_path / "profile")
    assert console == []
    assert document.count('class="plot"') == 15


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 500)])
def test_a_comparison_with_hostile_names_is_drawn(comparison_page: Path, tmp_path: Path, dark: bool, width: int):
    flags = [f"--window-size={width},900", *(["--force-dark-mode"] if dark else [])]
    result = measured(comparison_page, tmp_path, *flags)
    assert result["dark"] is dark
    assert len(result["plots"]) == 23
    for shown_width, shown_height, drawn_width, shapes in result["plots"]:
        assert shown_width > 250
        assert shown_height > 50
        assert drawn_width > 50
        assert shapes > 0
    # Two heat maps with their colour bars, two sample images.
    assert len(result["images"]) == 6
    assert all(natural_width > 0 for natural_width in result["images"])
    assert set(result["colors"]) == {as_rgb(PALETTE["ghmc"][dark])}
    assert result["ground"] == as_rgb("#101419" if dark else "#f6f7f9")
    assert result["overflow"] <= 0


def test_a_long_name_of_a_class_leaves_the_numbers_in_sight(tmp_path: Path):
    names = ("a" * 300, "bee", "cow")
    folder = write_run(tmp_path / "run", classes=names)
    found, _ = diagnose([seen(*random_image(seed)) for seed in range(9)], names, chosen_on="test")
    evaluation = Evaluation("last.ckpt", "test", 9, names, {"ap": 0.5}, dict.fromkeys(names), found)
    (folder / "evaluation.json").write_text(json.dumps(asdict(evaluation)))
    result = measured(write_report(folder), tmp_path, "--window-size=1280,900")
    assert len(result["tables"]) == 2
    assert max(*result["tables"], result["overflow"]) <= 0
