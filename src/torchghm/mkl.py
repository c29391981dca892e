"""Bit-identical results of MKL, the library that torch multiplies matrices with on x86 processors.

With several threads MKL's results depend on where arrays lie in memory, unless its conditional numerical
reproducibility is on. A state that was loaded lies elsewhere than one that was trained, so a resumed training would end
in other bits. MKL reads the environment variable MKL_CBWR once, when it is first used.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

VARIABLE = "MKL_CBWR"
VALUE = "AUTO,STRICT"
"""The code that the processor would run anyway, with sums in an order that does not depend on alignment."""

_ALL_SETTINGS = -1
_OFF = 1


def set_reproducible() -> None:
    """Make MKL's results independent of where arrays lie in memory, unless ``MKL_CBWR`` is set already.

    Has an effect on this process if MKL has not been used yet (call it before torch is imported), and on those that it
    starts. The command line does so.

    Source: oneMKL Developer Guide, "Obtaining Numerically Reproducible Results".

    Examples:
        >>> set_reproducible()
    """
    os.environ.setdefault(VARIABLE, VALUE)


def is_reproducible() -> bool:
    """Return whether MKL's results are independent of where arrays lie in memory; True where torch has no MKL.

    Asks MKL itself where torch holds it, since the environment variable may have been set too late; else the variable.

    Examples:
        >>> isinstance(is_reproducible(), bool)
        True
    """
    import torch

    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return True
    with suppress(AttributeError, OSError):
        return int(ctypes.CDLL(torch._C.__file__).mkl_serv_cbwr_get(_ALL_SETTINGS)) != _OFF
    return VARIABLE in os.environ
