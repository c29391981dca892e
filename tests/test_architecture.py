"""The rules that keep the house habitable: imports point one way, and the losses need torch alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "torchghm"

ALLOWED = {
    "functional": set(),
    "kernels": {"functional"},
    "losses": {"functional", "kernels"},
    "detection": {"functional", "losses", "detector_names"},
    "data": {"atomic_files", "printable"},
    "results": {"printable"},
    "report": {"functional", "results", "atomic_files"},
    "integrations": {"functional", "losses", "atomic_files"},
    "review": {"functional", "detection", "data", "atomic_files"},
    "training": {
        "functional",
        "losses",
        "detection",
        "detector_names",
        "data",
        "review",
        "results",
        "atomic_files",
        "mkl",
        "printable",
    },
}


def imported_packages(path: Path) -> set[str]:
    """Parts of torchghm that a file imports anywhere, also inside functions."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "torchghm" else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        parts |= {name.split(".")[1] for name in names if name.startswith("torchghm.")}
    return {part for part in parts if (SOURCE / part).exists() or (SOURCE / f"{part}.py").exists()}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package):
    files = list((SOURCE / package).rglob("*.py"))
    assert files
    for path in files:
        above = imported_packages(path) - ALLOWED[package] - {package}
        assert not above, f"{path.relative_to(SOURCE)} imports {above}"


def test_docstrings_open_with_an_imperative_or_a_noun():
    root = SOURCE.parent.parent
    files = [path for folder in ("src", "benchmarks", "tests") for path in (root / folder).rglob("*.py")]
    assert files
    opening = re.compile(r'"{3}(?:What|The same|Of)\b.*')
    assert not [f"{path.relative_to(root)}: {found}" for path in files for found in opening.findall(path.read_text())]


def test_losses_need_torch_alone():
    command = (
        "import sys, torch; before = set(sys.modules); import torchghm; "
        "torchghm.GHMCLoss(); print(*(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert "torchghm.losses.ghmc" in loaded
    foreign = {name.split(".")[0] for name in loaded} - {"torchghm"} - set(sys.stdlib_module_names)
    assert foreign <= {"torch"}, foreign


def test_a_single_run_imports_nothing_of_the_comparison():
    command = "import sys, torchghm.training.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert "torchghm.training.loop.module" in loaded
    assert not [name for name in loaded if name.startswith(("torchghm.training.comparison", "torchghm.report"))]


def test_recipes_know_neither_the_loop_nor_what_uses_it():
    files = list((SOURCE / "training" / "recipes").rglob("*.py"))
    assert files
    for path in files:
        text = path.read_text()
        assert not re.search(r"torchghm\.training\.(?!recipes)", text), path.relative_to(SOURCE)


def test_no_bag_modules():
    bags = {"utils", "misc", "common", "helpers"}
    assert not [path for path in SOURCE.rglob("*.py") if path.stem in bags or path.parent.name in bags]


@pytest.mark.parametrize(
    "module", ["detector_names", "training.recipes.files", "training.recipes.fitting", "training.run_folder"]
)
def test_recipes_are_read_without_torch(module):
    command = (
        f"import sys, torchghm.{module}; from torchghm.training import load_recipe; load_recipe('finetune'); "
        "print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "False"
