"""Data sets as people have them: read exactly, or said what is wrong; never silently other than they are."""

from __future__ import annotations

import pytest
from tests.data.odd import (
    boxes,
    class_lists,
    codes,
    converted,
    flags,
    free_folders,
    metadata,
    names,
    places,
    second_files,
    stated,
    sub_folders,
    tables,
)
from tests.data.odd.sets import CLASSES, SPLITS, TRUTH, Reads, Refused

from torchghm.data import DataError, check_data, load_data

SETS = {
    f"{layout}: {name}": (make, outcome)
    for kind in (
        boxes,
        class_lists,
        codes,
        converted,
        flags,
        free_folders,
        metadata,
        names,
        places,
        second_files,
        stated,
        sub_folders,
        tables,
    )
    for layout, sets in kind.SETS.items()
    for name, make, outcome in sets
}


@pytest.mark.parametrize("name", SETS)
def test_odd_set(tmp_path, name):
    make, outcome = SETS[name]
    root = tmp_path / "data"
    root.mkdir()
    make(root)
    if isinstance(outcome, Refused):
        with pytest.raises(DataError, match=f"(?s){outcome.kind}.*{outcome.words}"):
            load_data(root)
        assert outcome.kind in [problem.what for problem in check_data(root).problems if problem.fatal]
    else:
        verify(root, outcome)


def verify(root, outcome: Reads):
    data = load_data(root, val_fraction=0.25, test_fraction=0) if outcome.whole else load_data(root)
    assert {problem.what for problem in data.problems} == set(outcome.kinds), data.problems
    assert set(CLASSES) <= {name.casefold().removeprefix("an ").removeprefix("a ") for name in data.classes}
    expected = {stem: objects for stem, objects in {**TRUTH, **(outcome.objects or {})}.items() if objects is not None}
    found, crowds = {}, 0
    for split, records in data.splits.items():
        for record in records:
            stem = record.path.stem.casefold()[0]
            assert stem not in found
            if not outcome.whole:
                assert stem in SPLITS[split]
            assert record.path.is_file()
            real = ~record.crowd
            crowds += int(record.crowd.sum())
            found[stem] = sorted(
                (data.classes[label], *(round(float(side), 1) for side in box))
                for label, box in zip(record.labels[real], record.boxes[real], strict=True)
            )
    assert found == {stem: sorted((name, *map(float, box)) for name, box in objs) for stem, objs in expected.items()}
    assert crowds == outcome.crowds
    check = check_data(root, val_fraction=0.25, test_fraction=0)
    assert check.usable, check.problems
