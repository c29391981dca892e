import csv

import pytest
from tests.data.layouts import CLASSES

from torchghm.results.columns import METRIC_COLUMNS


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_have_a_row_an_epoch(trained):
    table = rows(trained.folder.metrics)
    assert tuple(table[0]) == METRIC_COLUMNS
    assert [(row["epoch"], row["step"]) for row in table] == [("0", "2"), ("1", "4")]
    assert float(table[1]["lr"]) == pytest.approx(5e-4 / 25 / 1e4)  # where one cycle ends
    filled = {name for name in METRIC_COLUMNS if table[1][name]}
    assert set(METRIC_COLUMNS) - filled == {"val/ap_large"}  # no such boxes in the data
    assert all(float(table[1][name]) >= 0 for name in filled)
    assert 0 < float(table[0]["train/cls_positive_share"]) < 1


def test_class_metrics_have_a_row_a_class_and_epoch(trained):
    table = rows(trained.folder.class_metrics)
    assert [(row["epoch"], row["class"]) for row in table] == [(epoch, name) for epoch in "01" for name in CLASSES]
    assert all(0 <= float(row["ap"]) <= 1 for row in table)


def test_betas_have_a_row_a_region_and_epoch(trained):
    table = rows(trained.folder.betas)
    assert [(row["loss"], row["epoch"]) for row in table].count(("cls", "1")) == 30
    assert [(row["loss"], row["epoch"]) for row in table].count(("box", "0")) == 10
    first = table[0]
    assert (first["region"], first["lower"], float(first["upper"])) == ("0", "0", pytest.approx(1 / 30, rel=1e-5))
    last_epoch = [row for row in table if (row["loss"], row["epoch"]) == ("cls", "1")]
    assert sum(float(row["fraction"]) for row in last_epoch) == pytest.approx(1, abs=1e-4)
    # Crowded regions are weighed down: that is the method.
    crowded = max(last_epoch, key=lambda row: float(row["fraction"]))
    assert float(crowded["beta"]) == min(float(row["beta"]) for row in last_epoch if float(row["fraction"]) > 0)
