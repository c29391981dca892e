"""A host that is not there says what to install; importing torchghm brings none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from torchghm.integrations.hosts import check_installed


def test_missing_host_says_what_to_install():
    with pytest.raises(ModuleNotFoundError, match=r"`nohost` here, which is not installed: pip install 'torchghm\[no"):
        check_installed("nohost", "pip install 'torchghm[nohost]'")
    check_installed("torch", "never said")


def test_integrations_bring_no_host_unasked():
    code = "import torchghm.integrations.hosts, sys; print([n for n in sys.argv[1:] if n in sys.modules])"
    hosts = ["transformers", "ultralytics", "rfdetr", "monai", "mmengine"]
    done = subprocess.run([sys.executable, "-c", code, *hosts], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
