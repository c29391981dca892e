"""Processes that load images leave the machine to the one that trains."""

from __future__ import annotations

import signal
import sys

import pytest

from torchghm.training.loop.datamodule import leave_interrupts_to_the_parent


@pytest.mark.parametrize(
    ("error", "said"), [(ConnectionResetError("gone"), ""), (EOFError(), ""), (OSError("disk"), "OSError: disk")]
)
def test_a_worker_says_nothing_of_a_parent_that_has_gone(error, said, monkeypatch, capsys):
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    try:
        leave_interrupts_to_the_parent(0)
        sys.excepthook(type(error), error, None)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err.strip() == said
