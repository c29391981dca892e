"""Errors that are nobody's mistake: one line that says what happened, and exit code 1."""

import os
import signal
from pathlib import Path

import pytest
import torch
import typer
from torch.utils.data import DataLoader, Dataset

from torchghm.cli.errors import FAILURE, KILLED, MISTAKE, plain_errors
from torchghm.report import write_report


class EndsItsProcess(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)


def outcome(command, capsys):
    with pytest.raises(typer.Exit) as exit_:
        plain_errors(command)()
    return exit_.value.exit_code, capsys.readouterr().err


def test_a_killed_loader(capsys):
    code, message = outcome(lambda: list(DataLoader(EndsItsProcess(), num_workers=1)), capsys)
    assert code == FAILURE
    assert message.startswith(f"error: {KILLED}")
    assert message.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full, a disk without room, is Linux's")
def test_a_full_disk(capsys):
    code, message = outcome(lambda: Path("/dev/full").write_text("page"), capsys)
    assert code == FAILURE
    assert "No space left on device" in message


def test_a_page_that_is_nowhere(capsys, tmp_path):
    code, message = outcome(lambda: write_report(tmp_path), capsys)
    assert code != FAILURE
    assert "results.json" in message


def test_a_batch_that_does_not_fit_into_memory(capsys):
    code, message = outcome(lambda: torch.empty(2**50), capsys)
    assert code == MISTAKE
    assert "Lower data.batch_size or data.image_size" in message
