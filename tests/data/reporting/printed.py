"""The text that a terminal shows of a check."""

from __future__ import annotations

import io

from rich.console import Console

from torchghm.data import DataCheck


def printed(check: DataCheck) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    check.print(console)
    return console.export_text()
