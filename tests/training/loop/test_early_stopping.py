from __future__ import annotations

import pytest
from tests.training.tiny import TINY

from torchghm.training import train


def test_a_run_ends_after_epochs_without_a_higher_ap_also_when_it_was_interrupted_then(
    tiny_data, run_path, monkeypatch
):
    # Nothing is learned, so that the first epoch's AP is the highest.
    recipe = TINY.with_values(
        {"trainer.epochs": 4, "trainer.patience": 1, "optimizer.lr": 1e-12, "model.pyramid_channels": 32}
    )

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("torchghm.training.run.evaluate_records", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_data, recipe=recipe, out=run_path, progress=False)
    table = (run_path / "metrics.csv").read_text()
    results = train(tiny_data, out=run_path, resume=True, progress=False)
    assert (results["epochs"], results["steps"]) == (2, 4)
    assert (run_path / "metrics.csv").read_text() == table


def test_a_run_that_ended_early_goes_on_with_more_patience_alone(tiny_data, run_path, caplog):
    recipe = TINY.with_values(
        {"trainer.epochs": 3, "trainer.patience": 1, "optimizer.lr": 1e-12, "model.pyramid_channels": 32}
    )

    def epochs(**changes):
        return train(
            tiny_data,
            recipe=recipe.with_values({f"trainer.{name}": value for name, value in changes.items()}),
            out=run_path,
            resume=True,
            progress=False,
        )["epochs"]

    assert epochs() == 2
    assert "trainer.patience" not in caplog.text
    assert epochs(epochs=4) == 2
    assert "trainer.patience: the run has ended, 1 epochs without a higher AP" in caplog.text
    assert epochs(epochs=4, patience=None) == 4
    with pytest.raises(ValueError, match="trainer.patience was null and is 1"):
        epochs(epochs=4)
