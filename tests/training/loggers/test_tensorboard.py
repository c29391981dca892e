import csv

import pytest


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_tensorboard_has_the_same_curves(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.folder.tensorboard)).Reload()
    curve = events.Scalars("train/loss")
    table = rows(trained.folder.metrics)
    assert [event.step for event in curve] == [2, 4]
    assert [event.value for event in curve] == pytest.approx([float(row["train/loss"]) for row in table], rel=1e-4)
    assert "val/ap" in events.Tags()["scalars"]
