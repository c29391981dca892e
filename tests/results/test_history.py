from __future__ import annotations

from pathlib import Path

import numpy as np

from torchghm.results.run import read_run


def test_a_diverged_loss_is_a_gap(run_folder: Path):
    (run_folder / "metrics.csv").write_text("epoch,train/classification\n0,1.0\n1,inf\n2,nan\n")
    assert np.isnan(read_run(run_folder).history["train/classification"]).tolist() == [False, True, True]
