"""The wheel and the source archive: built offline, checked as an index would, installed into an empty environment."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import torchghm

ROOT = Path(__file__).parents[1]


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    return out


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (found,) = built.glob("*.whl")
    return found


def test_the_archives_carry_the_version_and_pass_the_index_checks(built):
    names = sorted(path.name for path in built.iterdir())
    assert names == [f"torchghm-{torchghm.__version__}-py3-none-any.whl", f"torchghm-{torchghm.__version__}.tar.gz"]
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "src/torchghm"
    tracked = {
        f"torchghm/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == tracked
    assert {"torchghm/py.typed", "torchghm/recipes/finetune.yaml", "torchghm/report/templates/report.css"} <= names


def test_the_source_archive_has_what_the_tests_need(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        tops = {name.split("/")[1] for name in content.getnames()}
    assert {"src", "tests", "benchmarks", "examples", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= tops
    assert not tops & {".venv", "runs", "demo", "dist"}


def test_the_wheel_works_in_an_empty_environment(wheel, tmp_path):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env")
    python = tmp_path / "env/bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    # Of everything that is installed here it sees the packages, but not this checkout.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "peers.pth").write_text(sysconfig.get_path("purelib") + "\n")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = run(python, "-c", "import torchghm; print(torchghm.__file__)", cwd=tmp_path, env=env).strip()
    assert where.startswith(str(tmp_path))
    code = (
        "import torch, torchghm\n"
        "loss = torchghm.GHMCLoss(backend='eager')\n"
        "x = torch.zeros(4, 3, requires_grad=True)\n"
        "loss(x, torch.tensor([0, -1, 2, -1])).backward()\n"
        "assert x.grad.abs().sum() > 0\n"
    )
    run(python, "-c", code, cwd=tmp_path, env=env)
    command = tmp_path / "env/bin/torchghm"
    assert run(command, "--version", cwd=tmp_path, env=env).strip() == f"torchghm {torchghm.__version__}"
