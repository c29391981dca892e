from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.layouts import SAMPLES, write_coco
from tests.training.comparison.fake_train import CE, FOCAL, GHM, RECIPE, FakeTrain, table

from torchghm.atomic_files import write_json


def test_seeds_and_methods_are_added_to_what_there_is(call, tmp_path):
    call(FakeTrain(), methods=[CE, GHM], seeds=[1])
    train = FakeTrain()
    call(train, methods=[CE, FOCAL, GHM], seeds=[0, 1])
    assert train.order == [("+".join(m), 0) for m in (CE, FOCAL, GHM)] + [("focal+smooth_l1", 1)]
    assert table(tmp_path / "out")["runs_finished"] == 6
    with pytest.raises(ValueError, match=r"seeds: \[0, 1\] there, \[0, 2\] asked for"):
        call(FakeTrain(), seeds=[0, 2])
    with pytest.raises(ValueError, match=r"methods: .*focal\+smooth_l1.* there"):
        call(FakeTrain(), methods=[CE, GHM], seeds=[0, 1, 2])


def test_what_was_asked_for_by_mistake_is_left_out_again(call, tmp_path):
    call(FakeTrain(), methods=[CE, GHM], seeds=[0])
    with pytest.raises(KeyboardInterrupt):
        call(FakeTrain(fails_at=1), methods=[CE, FOCAL, GHM], seeds=[0, 2])
    train = FakeTrain()
    call(train, methods=[CE, GHM], seeds=[0])
    assert not train.calls
    assert table(tmp_path / "out")["runs_finished"] == 2


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seeds": [0, 1]}, r"seeds: \[0, 1, 2\] there, \[0, 1\] asked for"),
        ({"methods": [CE, GHM]}, r"methods: .*focal\+smooth_l1.* there, \[ce\+smooth_l1, ghmc\+ghmr\] asked for\)"),
        ({"split": "test"}, "split: val there, test asked for"),
        ({"recipe": RECIPE.with_values({"trainer.max_steps": 9})}, r"recipe\.trainer\.max_steps: 2 there, 9 asked for"),
        (
            {"recipe": RECIPE.with_values({"loss.cls_options": {"bins": 9}})},
            r"recipe\.loss\.cls_options\.bins: null there",
        ),
    ],
)
def test_another_plan_is_refused(call, tmp_path, changes, difference):
    call(FakeTrain())
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    train = FakeTrain()
    with pytest.raises(ValueError, match=rf"`out`.*plan\.json has another \({difference}.*overwrite"):
        call(train, **changes)
    assert not train.calls
    assert files == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


def test_other_data_in_the_same_place_are_another_plan(call, data, tmp_path):
    call(FakeTrain())
    data.rename(tmp_path / "old")
    write_coco(data, SAMPLES[:2] + SAMPLES[3:])
    with pytest.raises(ValueError, match="annotations: the data have changed since"):
        call(FakeTrain())


def test_where_a_run_computes_is_no_part_of_the_plan(call):
    call(FakeTrain())
    train = FakeTrain()
    call(train, recipe=RECIPE.with_values({"data.workers": 3, "trainer.accelerator": "auto", "seed": 5}))
    assert not train.calls


def test_overwrite_starts_anew(call, tmp_path):
    out = call(FakeTrain())
    (out / "notes.txt").write_text("mine")
    (out / "report.html").write_text("of the old table")
    train = FakeTrain()
    call(train, seeds=[0, 1], overwrite=True)
    assert len(train.calls) == 6
    assert table(out)["seeds"] == [0, 1]
    assert not (out / "runs/ce+smooth_l1/seed-2").exists()
    assert not (out / "report.html").exists()
    assert (out / "notes.txt").exists()


@pytest.mark.parametrize("file", ["runs/mine/results.json", "results.json", "comparison.csv"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_not_touched(call, tmp_path, file, overwrite):
    write_json(tmp_path / "out" / file, {"ap": 0.5})
    train = FakeTrain()
    with pytest.raises(ValueError, match="`out`"):
        call(train, overwrite=overwrite)
    assert not train.calls
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == [Path(file).name]


def test_a_folder_of_other_files_is_not_filled(call, data):
    train = FakeTrain()
    before = sorted(data.rglob("*"))
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds other files"):
            call(train, out=data, overwrite=overwrite)
    assert sorted(data.rglob("*")) == before
