from __future__ import annotations

import json

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from tests.training.comparison.fake_train import AP, CE, FOCAL, GHM, RECIPE, FakeTrain, table
from torchvision.models import resnet18

from torchghm.report import read_comparison
from torchghm.training.comparison.run import compare
from torchghm.training.run import train as real_train


def test_runs_of_a_seed_differ_only_in_the_losses(call, tmp_path):
    train = FakeTrain()
    recipe = RECIPE.with_values({"seed": 7, "optimizer.lr": 0.02})
    call(train, methods=[CE, GHM], seeds=[2, 0], recipe=recipe, split="val,test")
    assert train.order == [("ce+smooth_l1", 2), ("ghmc+ghmr", 2), ("ce+smooth_l1", 0), ("ghmc+ghmr", 0)]
    rest = []
    for number, made in enumerate(train.calls):
        values = made["recipe"].plain()
        losses = values.pop("loss")
        assert (losses["cls"], losses["box"]) == (CE, GHM)[number % 2]
        assert values.pop("seed") == (2, 2, 0, 0)[number]
        assert values["data"].pop("evaluate") == "val,test"
        assert values["optimizer"]["lr"] == 0.02
        assert (
            made["out"] == tmp_path / "out" / "runs" / "+".join((CE, GHM)[number % 2]) / f"seed-{(2, 2, 0, 0)[number]}"
        )
        rest.append(values)
    assert all(values == rest[0] for values in rest)


def test_variants_of_one_loss_stand_side_by_side(call, tmp_path):
    train = FakeTrain()
    methods = {f"ghmc+ghmr@momentum={momentum}": {"loss.cls_options.momentum": momentum} for momentum in (0.5, 0.9)}
    recipe = RECIPE.with_values({"loss.cls": "ghmc", "loss.box": "ghmr", "loss.cls_options": {"bins": 10}})
    out = call(train, methods=methods, seeds=[0], recipe=recipe)
    options = [each["recipe"].loss.cls_options for each in train.calls]
    assert options == [{"bins": 10, "momentum": 0.5}, {"bins": 10, "momentum": 0.9}]
    assert [(row["name"], row["cls"]) for row in table(out)["methods"]] == [(name, "ghmc") for name in methods]
    methods["ghmc+ghmr@momentum=0.9"] = {"loss.cls_options.momentum": 0.99}
    with pytest.raises(
        ValueError, match=r"method ghmc\+ghmr@momentum=0.9: loss.cls_options.momentum: 0.9 there, 0.99 asked for"
    ):
        call(train, methods=methods, seeds=[0], recipe=recipe)


def test_options_apply_to_the_loss_that_the_recipe_names(call):
    train = FakeTrain()
    options = {"loss.cls": "ghmc", "loss.cls_options": {"bins": 12}, "loss.cls_weight": 2.0, "loss.box": "smooth_l1"}
    recipe = RECIPE.with_values({**options, "loss.box_options": {"delta": 0.5}, "loss.scope": "level"})
    call(train, seeds=[0], recipe=recipe)
    losses = {made["out"].parent.name: made["recipe"].loss for made in train.calls}
    assert [loss.cls_options for loss in losses.values()] == [{}, {}, {"bins": 12}]
    assert [loss.cls_weight for loss in losses.values()] == [None, None, 2.0]
    assert [loss.box_options for loss in losses.values()] == [{"delta": 0.5}, {"delta": 0.5}, {}]
    assert {loss.scope for loss in losses.values()} == {"level"}


def test_an_interrupted_comparison_goes_on_where_it_stopped(call, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        call(FakeTrain(fails_at=5))
    out = tmp_path / "out"
    finished = sorted(out.glob("runs/*/*/results.json"))
    assert len(finished) == 4
    before = [path.stat().st_mtime_ns for path in finished]
    (out / "comparison.json").unlink()  # as if it had been killed before the table
    train = FakeTrain()
    call(train)
    assert train.order == [("focal+smooth_l1", 1), ("ghmc+ghmr", 1)] + [("+".join(m), 2) for m in (CE, FOCAL, GHM)]
    assert all(made["resume"] for made in train.calls)
    assert [path.stat().st_mtime_ns for path in finished] == before
    assert table(out)["runs_finished"] == 9
    again = FakeTrain()
    call(again, methods=[GHM, FOCAL, CE], seeds=[2, 1, 0], baseline="focal+smooth_l1")
    assert not again.calls
    assert [method["name"] for method in table(out)["methods"]] == ["ghmc+ghmr", "focal+smooth_l1", "ce+smooth_l1"]
    assert table(out)["methods"][0]["values"]["ap"] == AP["ghmc+ghmr"][::-1]
    assert table(out)["methods"][1]["difference"] is None


def test_going_on_with_a_baseline_that_has_not_run(call, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        call(FakeTrain(fails_at=2))
    train = FakeTrain(fails_at=2)
    with pytest.raises(KeyboardInterrupt):
        call(train, baseline="ghmc+ghmr")
    assert train.order == [("ghmc+ghmr", 0), ("focal+smooth_l1", 0)]
    assert [method["name"] for method in table(tmp_path / "out")["methods"]] == ["ce+smooth_l1", "ghmc+ghmr"]


def test_an_error_of_a_run_leaves_the_others(call, tmp_path):
    with pytest.raises(ArithmeticError, match="not finite"):
        call(FakeTrain(fails_at=3, error=ArithmeticError("step 7 is not finite")))
    assert len(table(tmp_path / "out")["methods"]) == 2
    # What a run does with such steps may be changed then: finished ones had none.
    call(FakeTrain(), recipe=RECIPE.with_values({"trainer.on_nonfinite": "skip"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "ohem+ghmr"}, r"`baseline`.*ce\+smooth_l1, focal\+smooth_l1, ghmc\+ghmr, but got 'ohem\+ghmr'"),
        ({"methods": []}, r"`methods`.*got \[\]"),
        ({"methods": [CE, GHM, CE]}, "`methods` to name every method once, but got ce.smooth_l1 twice"),
        ({"methods": {"a/b": {}}}, "names in argument `methods`.*got 'a/b'"),
        ({"methods": {"a": {"loss.clas": "ce"}}}, "method a.*loss.clas.*nearest known one is 'loss.cls'"),
        ({"methods": ["ce+smooth_l1"]}, r"`methods` to be pairs.*got 'ce\+smooth_l1'"),
        ({"methods": [("ce",)]}, "`methods` to be pairs"),
        ({"methods": [("../ce", "ghmr")]}, "`methods` to be pairs"),
        ({"methods": [CE, ("gmhc", "ghmr")]}, r"loss\.cls.*got gmhc"),
        ({"methods": [CE, ("ghmc", "l2")]}, r"loss\.box.*got l2"),
        ({"seeds": []}, r"`seeds`.*got \[\]"),
        ({"seeds": [1, 1]}, "`seeds`.*each once"),
        ({"seeds": [-1]}, "`seeds`"),
        ({"seeds": [True]}, "`seeds`"),
        ({"seeds": [0.5]}, "`seeds`"),
        ({"split": "tets"}, "split.*'tets'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_written(call, tmp_path, changes, message):
    train = FakeTrain()
    with pytest.raises(ValueError, match=message):
        call(train, **changes)
    assert not train.calls
    assert not (tmp_path / "out").exists()


def test_a_detector_that_the_data_do_not_allow_is_refused_before_the_first_run(call, tmp_path):
    recipe = RECIPE.with_values({"model.detector": "ssdlite320"})
    methods = {"low": {"model.prior": 0.1}, "high": {"model.prior": 0.5}}
    train = FakeTrain()
    with pytest.raises(ValueError, match="`prior` to be below 1 / 3"):
        call(train, recipe=recipe, methods=methods)
    assert train.calls == []
    assert not (tmp_path / "out").exists()


def test_losses_that_a_detector_does_not_take_are_refused_before_the_first_run(call):
    recipe = RECIPE.with_values({"model.detector": "faster_rcnn_mobilenet", "loss.scope": "level", "loss.cls": "own"})
    methods = {"rpn": {"loss.box": "ghmr", "loss.stage": "rpn"}, "roi": {"loss.box": "ghmr", "loss.stage": "roi"}}
    train = FakeTrain()
    with pytest.raises(ValueError, match="method roi: Expected `loss.scope` to be batch with loss.stage=roi"):
        call(train, recipe=recipe, methods=methods)
    with pytest.raises(
        ValueError, match="method large: Expected `data.batch_size` to be at most the 3 training images"
    ):
        call(train, methods={"usual": {"loss.cls": "ce"}, "large": {"data.batch_size": 8}})
    assert train.calls == []


def test_a_finished_comparison_needs_nothing_that_its_runs_needed(call, tmp_path):
    torch.save(resnet18().state_dict(), tmp_path / "weights.pt")
    recipe = RECIPE.with_values({"model.weights": str(tmp_path / "weights.pt")})
    call(FakeTrain(), recipe=recipe)
    (tmp_path / "weights.pt").unlink()
    train = FakeTrain()
    call(train, recipe=recipe)
    assert train.calls == []


def test_missing_data_and_an_output_that_is_a_file(call, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        call(FakeTrain(), data=tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="`out`.*is a file"):
        call(FakeTrain(), out=tmp_path / "file")


def test_spoiled_files_are_named(call, tmp_path):
    with pytest.raises(
        ValueError, match=r"`ap50` in .*seed-0.results\.json to be a finite number or null, but got nan"
    ):
        call(FakeTrain(metrics={"ap": 0.5, "ap50": float("nan")}), out=tmp_path / "nan")
    with pytest.raises(ValueError, match=r"results\.json to be of ce\+smooth_l1, seed 0, but got ohem"):
        call(FakeTrain(cls="ohem"), out=tmp_path / "other")
    out = call(FakeTrain())
    (out / "runs/ghmc+ghmr/seed-1/results.json").write_text("{")
    with pytest.raises(ValueError, match=r"ghmc\+ghmr.seed-1.results\.json"):
        call(FakeTrain())
    (out / "plan.json").write_text('{"seeds": [0')
    with pytest.raises(ValueError, match=r"plan\.json to be JSON"):
        call(FakeTrain())
    call(FakeTrain(), overwrite=True)
    with pytest.raises(FileNotFoundError, match="`train` to write"):
        call(lambda *args, **named: {}, overwrite=True)


def test_progress_says_what_runs(call, capfd):
    call(FakeTrain(), seeds=[0, 1], progress=True)
    shown = capfd.readouterr()
    assert "run 1 of 6: ce+smooth_l1, seed 0\n" in shown.err
    assert "run 6 of 6: ghmc+ghmr, seed 1, about 1 min left" in shown.err
    assert "50.0" in shown.err
    assert not shown.out
    call(FakeTrain(), seeds=[0, 1])
    assert not capfd.readouterr().err


def test_processes_other_than_the_first_train_and_write_nothing(call, tmp_path, monkeypatch):
    out = call(FakeTrain(), seeds=[0])
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    calls = []
    call(lambda data, **named: calls.append(named["out"]) or {}, seeds=[0], overwrite=True, progress=True)
    assert len(calls) == 3
    call(lambda data, **named: calls.append(named["out"]) or {}, out=tmp_path / "new")
    assert len(calls) == 3 + 9
    assert files == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert not (tmp_path / "new").exists()


@pytest.fixture
def one_thread():
    """For networks this small, threads that wait for each other cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_real_training(data, tmp_path):
    """Two methods, two seeds; interrupted in the second run, and killed before a run's evaluation."""
    calls = []

    def train(*arguments, **named):
        calls.append(named["out"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real_train(*arguments, **named)

    arguments = {"methods": [FOCAL, GHM], "seeds": [0, 1], "recipe": RECIPE, "split": "val,test", "progress": False}
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        compare(data, out=out, train=train, **arguments)
    assert table(out)["runs_finished"] == 1
    compare(data, out=out, **arguments)
    whole = table(out)
    assert [(method["name"], len(method["values"]["ap"])) for method in whole["methods"]] == [
        ("focal+smooth_l1", 2),
        ("ghmc+ghmr", 2),
    ]
    assert whole["budget"] == "1 epoch, 2 steps"
    assert whole["versions"]["device"] == "cpu"

    last = out / "runs/ghmc+ghmr/seed-1"
    before = json.loads((last / "results.json").read_text())
    (last / "results.json").unlink()
    compare(data, out=out, **arguments)
    assert table(out)["methods"] == whole["methods"]
    after = json.loads((last / "results.json").read_text())
    assert after | {"seconds": 0} == before | {"seconds": 0}
    assert len((last / "metrics.csv").read_text().splitlines()) == 2  # nothing was trained twice
    assert len(read_comparison(out).methods) == 2
