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

TESTED_BY = {
    # Seen in what a command prints.
    "cli/deployment.py": "training/deployment/test_export.py",
    "cli/diagnosis_tables.py": "cli/test_training.py",
    "cli/early_checks.py": "cli/test_wrong_inputs.py",
    # One table of cases for formulas that differ in a line.
    "functional/box_baselines.py": "functional/test_baselines.py",
    "functional/example_errors.py": "losses/test_wrong_calls.py",
    "functional/cross_entropy.py": "functional/test_classification.py",
    "functional/rivals/*.py": "functional/rivals/test_rivals.py",
    "functional/weighed.py": "functional/rivals/test_rivals.py",
    "losses/rivals/*.py": "losses/rivals/test_rivals.py",
    "losses/baselines/unharmonized.py": "losses/test_baseline_diagnostics.py",
    # Seen from the host's side.
    "integrations/arguments.py": "integrations/test_monai.py",
    "integrations/branches.py": "integrations/transformers/test_state.py",
    "integrations/transformers/criteria.py": "integrations/transformers/test_detection.py",
    "integrations/transformers/harmonize.py": "integrations/transformers/test_tasks.py",
    # Parts that run within a compiled pass alone, which is held against an oracle.
    "kernels/cpu/entry_points.py": "kernels/cpu/test_launch.py",
    "kernels/cpu/example_terms.py": "kernels/cpu/test_passes.py",
    "kernels/cpu/example_tiles.py": "kernels/cpu/test_passes.py",
    "kernels/cpu/loss_pass.py": "kernels/cpu/test_passes.py",
    "kernels/cpu/region_counts.py": "kernels/cpu/test_histogram_pass.py",
    "kernels/cpu/softmax/row_passes.py": "kernels/cpu/softmax/test_rows_side_by_side.py",
    "kernels/cpu/simd/bit_planes.py": "kernels/cpu/test_histogram_pass.py",
    "kernels/cpu/simd/compiling.py": "kernels/cpu/simd/test_vectors.py",
    "kernels/cpu/simd/intrinsics.py": "kernels/cpu/test_launch.py",
    "kernels/eager.py": "kernels/test_ops.py",
    "kernels/triton/*.py": "kernels/triton/test_passes.py",
    # The two losses and their two kinds of steps, which must agree.
    "losses/ghmc.py": "losses/test_harmonized.py",
    "losses/ghmr.py": "losses/test_harmonized.py",
    "losses/step.py": "losses/test_fused.py",
    "losses/two_pass.py": "losses/test_fused.py",
    # Written by a run and read back.
    "results/diagnosis.py": "training/evaluation/test_evaluate.py",
    "results/evaluation.py": "training/evaluation/test_evaluate.py",
    "results/files.py": "results/test_run.py",
    # Steps on the way to a verdict or a checked training.
    "review/agreement.py": "review/test_verdict.py",
    "review/digests.py": "training/test_label_memory.py",
    "review/evidence.py": "review/test_verdict.py",
    "review/features.py": "review/test_verdict.py",
    "review/object_figures.py": "review/test_memory.py",
    "training/deployment/formats.py": "training/deployment/test_export.py",
    "training/deployment/one_image.py": "training/deployment/test_export.py",
    "training/trained_detector.py": "training/evaluation/test_predict.py",
}
"""Tests that a file of `src` has elsewhere than in the mirrored folder under its own stem."""
WITHOUT_TESTS = {"kernels/cpu/simd/annotations.py", "report/captions.py", "results/arrays.py", "results/columns.py"}
"""Types, texts and names of columns alone: nothing that runs."""


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


@pytest.mark.parametrize("module", ["atomic_files", "printable", "detector_names", "mkl", "openmp"])
def test_what_may_be_imported_first_imports_nothing_of_ours(module):
    assert imported_packages(SOURCE / f"{module}.py") == set()


def test_docstrings_open_with_an_imperative_or_a_noun():
    root = SOURCE.parent.parent
    files = [path for folder in ("src", "benchmarks", "tests") for path in (root / folder).rglob("*.py")]
    assert files
    opening = re.compile(r'"{3}(?:What|The same|Of)\b.*')
    assert not [f"{path.relative_to(root)}: {found}" for path in files for found in opening.findall(path.read_text())]


def test_every_file_has_a_test_of_its_stem():
    tests = Path(__file__).parent
    assert not [place for place in TESTED_BY.values() if not (tests / place).is_file()]
    elsewhere = {path for pattern in TESTED_BY for path in SOURCE.glob(pattern)}
    for path in SOURCE.rglob("[!_]*.py"):
        own = tests / path.relative_to(SOURCE).parent / f"test_{path.name}"
        excepted = path in elsewhere or path.relative_to(SOURCE).as_posix() in WITHOUT_TESTS
        assert own.is_file() or excepted, f"Expected {own.relative_to(tests)}, or an entry of TESTED_BY"
    assert all(list(SOURCE.glob(pattern)) for pattern in [*TESTED_BY, *WITHOUT_TESTS]), "an entry without a file"


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


def test_a_folder_has_at_most_14_files():
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    assert not {folder.name for folder in folders if len([*folder.glob("*.py")]) > 14}


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
