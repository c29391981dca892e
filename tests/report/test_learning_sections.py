from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.results.synthetic_folders import write_comparison

from torchghm.report import learning_sections as sections
from torchghm.results.comparison import read_comparison
from torchghm.results.run import read_run


@pytest.fixture
def run(run_folder):
    return read_run(run_folder)


def without(run, *columns):
    history = {name: values for name, values in run.history.items() if name not in columns}
    return dataclasses.replace(run, history=history)


def test_a_curve_has_as_many_tiles_as_metrics_were_measured(run):
    whole = sections.average_precision_section({"a+b": (run,)})
    assert [len(tiles) for _, tiles in whole.groups] == [2]
    assert len(sections.average_precision_section({"a+b": (without(run, "val/ap"),)}).groups[0][1]) == 1
    assert sections.average_precision_section({"a+b": (without(run, "val/ap", "val/ap50"),)}) is None


def test_a_loss_without_its_plain_loss_is_not_drawn(run):
    both = sections.losses_section({"a+b": (run,)})
    assert [heading for heading, _ in both.groups] == ["Classification", "Box regression"]
    one = sections.losses_section({"a+b": (without(run, "train/cls_plain_loss"),)})
    assert [heading for heading, _ in one.groups] == ["Box regression"]


def test_seeds_of_different_epochs_stand_on_common_ones(run):
    longer = dict(run.history)
    epochs = len(longer["epoch"])
    shorter = {name: values[: epochs - 1] for name, values in longer.items()}
    curves, common = sections._by_epoch({"a+b": (run, dataclasses.replace(run, history=shorter))}, "val/ap")
    np.testing.assert_array_equal(common, longer["epoch"] + 1)
    np.testing.assert_array_equal(curves["a+b"][0], longer["val/ap"])
    assert np.isnan(curves["a+b"][1, -1])


def test_differences_of_one_seed_are_captioned_as_such(tmp_path):
    one = read_comparison(write_comparison(tmp_path / "one", seeds=(0,), epochs=1))
    two = read_comparison(write_comparison(tmp_path / "two", seeds=(0, 1), epochs=1))
    assert sections.differences_section(one).caption != sections.differences_section(two).caption
    alone = dataclasses.replace(two, methods=two.methods[:1])
    assert sections.differences_section(alone) is None


def test_classes_without_boxes_are_left_out(run):
    assert sections.per_class_section({"a+b": (run,)}, "val").caption.startswith(
        "Average precision of each class on the val split. "
    )
    nothing = dataclasses.replace(run, per_class=dict.fromkeys(run.per_class))
    assert sections.per_class_section({"a+b": (nothing,)}, "val") is None
