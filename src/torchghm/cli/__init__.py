"""The command line: `torchghm train | eval | predict | export | compare | report | data`."""

from __future__ import annotations

import sys

from torchghm.mkl import set_reproducible
from torchghm.openmp import wait_briefly

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name, and exit.

    With 0, 1 (unusable data found, or a file that could not be written), 2 (a mistake) or 130 (Ctrl-C).
    """
    # Both before torch is imported.
    set_reproducible()  # a resumed run ends in the same bits
    wait_briefly()
    try:
        from torchghm.cli.app import app
    except ModuleNotFoundError as error:
        from torchghm.cli.errors import needs

        print(f"error: {needs(error)}", file=sys.stderr)
        sys.exit(2)
    app(prog_name="torchghm")
