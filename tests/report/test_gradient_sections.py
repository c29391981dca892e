from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from torchghm.report.gradient_sections import classification_sections, regression_sections
from torchghm.results.run import read_run


@pytest.fixture
def run(run_folder):
    return read_run(run_folder)


def ids(sections):
    return [section.id for section in sections if section is not None]


def test_a_run_has_all_sections(run):
    assert ids(classification_sections({"ghmc+ghmr": (run,)})) == ["norm-cls", "reweighted-cls", "share"]
    assert ids(regression_sections({"ghmc+ghmr": (run,)})) == ["norm-box", "reweighted-box", "curves"]


def test_a_run_without_counts_has_the_curves_of_the_losses_alone(run):
    empty = dataclasses.replace(
        run.norms,
        cls_positive=np.zeros_like(run.norms.cls_positive),
        cls_negative=np.zeros_like(run.norms.cls_negative),
        box_residual_counts=np.zeros_like(run.norms.box_residual_counts),
    )
    for norms in (empty, None):
        methods = {"ghmc+ghmr": (dataclasses.replace(run, norms=norms),)}
        assert ids(classification_sections(methods)) == []
        assert ids(regression_sections(methods)) == ["curves"]


def test_the_note_below_the_shares_names_the_sparsest_region(run):
    counts = np.zeros(30)
    counts[:2] = 90, 10
    norms = dataclasses.replace(
        run.norms, cls_positive=counts * 0, cls_negative=counts, bins_cls=30.0, cls_max_weight=np.inf
    )
    (_, _, share) = classification_sections({"ghmc+ghmr": (dataclasses.replace(run, norms=norms),)})
    ((_, (tile,)),) = share.groups
    assert "Sparsest region: 10 examples carry" in tile.note
    # g is 1/60 and 3/60: of the sum 90 * 1 + 10 * 3 the sparsest region has a quarter with CE.
    assert tile.note.endswith("25% of CE's.")
