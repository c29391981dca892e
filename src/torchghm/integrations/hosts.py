"""Whether a host framework is there, and of a version that was tested."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

TESTED = {
    "transformers": "5.24",
    "ultralytics": "8.4",
    "rfdetr": "1.11",
    "monai": "1.6",
    "mmdet": "3.3",
    "mmengine": "0.10",
}
"""The series of versions that the tests ran with."""


class UntestedVersionWarning(UserWarning):
    """A host of a version that these tests never ran with."""


def check_installed(package: str, install: str) -> None:
    """Raise a ModuleNotFoundError that says what to install, unless the package is there."""
    if find_spec(package) is None:
        raise ModuleNotFoundError(
            f"torchghm.integrations needs the package `{package}` here, which is not installed: {install}.",
            name=package,
        )


def warn_untested(package: str) -> None:
    """Warn with both versions where the installed one is of another series than `TESTED`."""
    try:
        installed = version(package)
    except PackageNotFoundError:  # a checkout on the path
        return
    if not f"{installed}.".startswith(f"{TESTED[package]}."):
        warnings.warn(
            f"torchghm was tested with {package} {TESTED[package]}, and {installed} is installed: "
            "see that the first steps train as they did before.",
            UntestedVersionWarning,
            stacklevel=3,
        )
