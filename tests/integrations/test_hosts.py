"""A host that is not there says what to install; importing torchghm brings none of them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from torchghm.integrations import hosts
from torchghm.integrations.hosts import check_installed, warn_untested

MODULES = {
    "transformers": "transformers",
    "ultralytics": "ultralytics",
    "rfdetr": "rfdetr",
    "monai": "monai",
    "mmdetection": "mmengine",
}
"""Integrations, and the package that each needs."""


def test_missing_host_says_what_to_install():
    with pytest.raises(ModuleNotFoundError, match=r"`nohost` here, which is not installed: pip install 'torchghm\[no"):
        check_installed("nohost", "pip install 'torchghm[nohost]'")
    check_installed("torch", "never said")


def test_integrations_bring_no_host_unasked():
    code = "import torchghm.integrations.hosts, sys; print([n for n in sys.argv[1:] if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, *MODULES.values()], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", MODULES)
def test_integration_without_its_host_names_its_extra(module):
    code = f"import sys; sys.modules[{MODULES[module]!r}] = None; import torchghm.integrations.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError")
    assert last.endswith(f"which is not installed: pip install 'torchghm[{module}]'.")


def test_tested_versions_are_those_installed():
    """Else every user of these versions is warned."""
    installed = [package for package in hosts.TESTED if find_spec(package) is not None]
    for package in installed:
        assert f"{version(package)}.".startswith(f"{hosts.TESTED[package]}.")


CALLS = {
    "transformers": lambda module: module.compute_loss_func(None, None),
    "ultralytics": lambda module: module.trainer(),
    "rfdetr": lambda module: module.harmonize(None),
    "monai": lambda module: module.harmonize(None),
}


@pytest.mark.parametrize("host", CALLS)
def test_version_outside_what_was_tested_is_said(host, monkeypatch):
    if find_spec(host) is None:
        pytest.skip(f"{host} is not installed: pip install '.[hosts]'")
    module = importlib.import_module(f"torchghm.integrations.{host}")
    monkeypatch.setitem(hosts.TESTED, host, "0.99")
    expected = f"tested with {host} 0.99, and {version(host)} is installed"
    with pytest.warns(hosts.UntestedVersionWarning, match=expected), pytest.raises((TypeError, ValueError)):
        CALLS[host](module)


def test_version_of_mmdetection_is_looked_at_when_it_is_imported():
    if find_spec("mmengine") is None:
        pytest.skip("mmengine is not installed: pip install '.[hosts]'")
    code = (
        "from torchghm.integrations import hosts; hosts.TESTED['mmengine'] = '0.99'; "
        "import torchghm.integrations.mmdetection"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"tested with mmengine 0.99, and {version('mmengine')} is installed" in done.stderr


def test_checkout_without_a_version_is_no_warning(recwarn, monkeypatch):
    monkeypatch.setitem(hosts.TESTED, "nohost", "1.0")
    warn_untested("nohost")
    assert not recwarn.list
