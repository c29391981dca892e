"""Folders and pages that several tests read; the pages are drawn once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.results.synthetic_folders import write_comparison, write_run

from torchghm.report import write_report

# Names that break out of HTML text, of an attribute, of a comment, of matplotlib's formulas and of its legends.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "a--b-->",
    "$\\frac{",
    "_hidden & \u202eshown",
)
HOSTILE_FILE = '"><svg onload=alert(3)>.jpg'


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def comparison_folder(tmp_path: Path) -> Path:
    return write_comparison(tmp_path / "comparison", epochs=2)


@pytest.fixture(scope="session")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(write_run(tmp_path_factory.mktemp("page") / "run"))


@pytest.fixture(scope="session")
def comparison_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "comparison"
    methods, gains = ("ce+smooth_l1", "ghmc+ghmr"), (0.0, -0.01)
    return write_report(
        write_comparison(folder, methods=methods, gains=gains, classes=HOSTILE, image_name=HOSTILE_FILE)
    )
