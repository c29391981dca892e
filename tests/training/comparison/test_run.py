from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from scipy import stats
from tests.data.layouts import SAMPLES, write_coco
from torchvision.models import resnet18

from torchghm.atomic_files import write_json
from torchghm.report import read_comparison
from torchghm.training.comparison.run import compare
from torchghm.training.comparison.table import terminal_table
from torchghm.training.recipes.recipe import Recipe
from torchghm.training.run import train as real_train

CE, FOCAL, GHM = ("ce", "smooth_l1"), ("focal", "smooth_l1"), ("ghmc", "ghmr")
AP = {"ce+smooth_l1": [0.40, 0.42, 0.38], "focal+smooth_l1": [0.50, 0.53, 0.47], "ghmc+ghmr": [0.42, 0.40, 0.39]}
RECIPE = Recipe().with_values(
    {
        "data.image_size": [64, 64],
        "data.batch_size": 1,
        "data.workers": 0,
        "trainer.max_steps": 2,
        "trainer.epochs": 1,
        "trainer.accelerator": "cpu",
    }
)


class FakeTrain:
    """Writes the results of a table instead of training; raises `error` instead of the call number `fails_at`."""

    def __init__(self, fails_at: int | None = None, error: BaseException | None = None, **results) -> None:
        self.calls: list[dict] = []
        self.fails_at, self.error, self.results = fails_at, error or KeyboardInterrupt(), results

    def __call__(self, data, *, recipe, out, resume, progress):
        self.calls.append({"recipe": recipe, "out": out, "resume": resume, "progress": progress})
        if len(self.calls) == self.fails_at:
            write_json(out / "checkpoints" / "last.ckpt", {})
            raise self.error
        ap = AP[f"{recipe.loss.cls}+{recipe.loss.box}"][recipe.seed]
        metrics = {"ap": ap, "ap50": 1.5 * ap, "ap75": 0.9 * ap, "ap_small": None, "ap_medium": ap, "ap_large": ap}
        results = {"cls": recipe.loss.cls, "box": recipe.loss.box, "seed": recipe.seed, "epochs": 2, "steps": 1500}
        results |= {"split": recipe.data.evaluate, "metrics": metrics, **self.results}
        write_json(out / "versions.json", {"torchghm": "0.1.0", "device": "cpu"})
        (out / "results.json").write_text(json.dumps(results))
        return results

    @property
    def order(self) -> list[tuple[str, int]]:
        return [(call["out"].parent.name, call["recipe"].seed) for call in self.calls]


@pytest.fixture
def data(tmp_path) -> Path:
    return write_coco(tmp_path / "tiny")


@pytest.fixture
def call(data, tmp_path):
    """Compare three methods over three seeds with a train function, other arguments changed."""

    def compared(train, **changes):
        arguments = {"methods": [CE, FOCAL, GHM], "seeds": [0, 1, 2], "recipe": RECIPE, "split": "val"}
        arguments |= {"out": tmp_path / "out", "progress": False} | changes
        return compare(arguments.pop("data", data), train=train, **arguments)

    return compared


def table(out: Path) -> dict:
    return json.loads((out / "comparison.json").read_text())


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
    with pytest.raises(ValueError, match=r"method ghmc\+ghmr@momentum=0.9: .*0.9} there, .*0.99} asked for"):
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


def test_table(call, data, tmp_path):
    out = call(FakeTrain(), baseline="ghmc+ghmr", command="torchghm compare --data tiny")
    assert out == tmp_path / "out"
    comparison = table(out)
    assert [comparison[key] for key in ("data", "split", "seeds", "baseline", "metrics")] == [
        str(data), "val", [0, 1, 2], "ghmc+ghmr", ["ap", "ap50", "ap75"],
    ]  # fmt: skip
    ce, focal, ghm = comparison["methods"]
    assert [method["name"] for method in (ce, focal, ghm)] == ["ce+smooth_l1", "focal+smooth_l1", "ghmc+ghmr"]
    assert focal["values"]["ap"] == AP["focal+smooth_l1"]
    assert focal["runs"]["1"] == "runs/focal+smooth_l1/seed-1"
    assert focal["mean"]["ap"] == pytest.approx(0.5)
    assert focal["std"]["ap"] == pytest.approx(0.03)
    assert ghm["difference"] is None
    interval = stats.ttest_rel(AP["focal+smooth_l1"], AP["ghmc+ghmr"]).confidence_interval()
    assert focal["difference"]["ap"] == pytest.approx({"mean": 0.29 / 3, "low": interval.low, "high": interval.high})
    assert focal["difference"]["ap_small"] == {"mean": None, "low": None, "high": None}

    text = (out / "comparison.md").read_text()
    assert "| focal+smooth_l1 | 50.0 ± 3.0 | 75.0 ± 4.5 | 45.0 ± 2.7 |" in text
    assert f"| focal+smooth_l1 | +9.67 [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}] better |" in text
    assert "| ce+smooth_l1 | -0.33 [-5.50, +4.84] no difference shown |" in text
    for part in (str(data), "Split: val", "2 epochs, 1,500 steps", "Seeds: 0, 1, 2", "torchghm 0.1.0, device cpu"):
        assert part in text
    assert "    torchghm compare --data tiny\n" in text
    assert "runs are finished" not in text

    with (out / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 6
    assert rows[6] | {"mean": "", "low": "", "high": "", "std": "", "difference": ""} == {
        "method": "focal+smooth_l1", "cls": "focal", "box": "smooth_l1", "metric": "ap", "seeds": "3", "mean": "",
        "std": "", "difference": "", "low": "", "high": "", "verdict": "better",
    }  # fmt: skip
    assert float(rows[6]["low"]) == pytest.approx(interval.low)
    assert rows[12]["difference"] == rows[12]["verdict"] == ""

    read = read_comparison(out)  # what the page is made of
    assert [method.difference["ap"].verdict for method in read.methods[:2]] == ["no difference shown", "better"]
    assert read.methods[2].runs[2].metrics["ap"] == 0.39


def test_terminal_table(call):
    from rich.console import Console

    console = Console(width=120)
    with console.capture() as captured:
        console.print(terminal_table(table(call(FakeTrain()))))
    text = captured.get()
    assert "50.0 ± 3.0" in text
    assert "+10.00 [" in text
    assert "baseline" in text


def test_one_seed_gives_no_interval(call):
    out = call(FakeTrain(), seeds=[1])
    ghm = table(out)["methods"][2]
    assert ghm["std"]["ap"] is None
    assert ghm["difference"]["ap"] == {"mean": pytest.approx(-0.02), "low": None, "high": None}
    assert "| ghmc+ghmr | -2.00 one seed: no interval |" in (out / "comparison.md").read_text()
    assert read_comparison(out).seeds == (1,)


def test_without_a_command_the_call_is_stated(call, data):
    text = (call(FakeTrain(), seeds=[0], methods=[CE]) / "comparison.md").read_text()
    block = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
    stated = {}
    eval("\n".join(block), {"Recipe": Recipe, "compare": lambda *args, **named: stated.update(named, data=args[0])})
    assert stated["recipe"] == RECIPE
    assert (stated["data"], stated["methods"], stated["seeds"]) == (
        str(data),
        {"ce+smooth_l1": {"loss.cls": "ce", "loss.box": "smooth_l1"}},
        [0],
    )


@pytest.mark.parametrize(
    ("finished", "seeds", "methods"),
    [(1, [0], 1), (2, [0], 2), (3, [0], 3), (5, [0], 3), (6, [0, 1], 3), (8, [0, 1], 3)],
)
def test_a_partial_table_has_equal_seeds(call, tmp_path, finished, seeds, methods):
    with pytest.raises(KeyboardInterrupt):
        call(FakeTrain(fails_at=finished + 1))
    out = tmp_path / "out"
    comparison = table(out)
    assert comparison["seeds"] == seeds
    assert len(comparison["methods"]) == methods
    assert all(len(method["values"]["ap"]) == len(seeds) for method in comparison["methods"])
    assert f"{finished} of 9 runs are finished" in (out / "comparison.md").read_text()
    assert "runs are finished" in terminal_table(comparison).caption.plain
    assert read_comparison(out).seeds == tuple(seeds)


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


def test_seeds_and_methods_are_added_to_what_there_is(call, tmp_path):
    call(FakeTrain(), methods=[CE, GHM], seeds=[1])
    train = FakeTrain()
    call(train, methods=[CE, FOCAL, GHM], seeds=[0, 1])
    assert train.order == [("+".join(m), 0) for m in (CE, FOCAL, GHM)] + [("focal+smooth_l1", 1)]
    assert table(tmp_path / "out")["runs_finished"] == 6
    with pytest.raises(ValueError, match=r"seeds: \[0, 1\] there, \[0, 2\] asked for"):
        call(FakeTrain(), seeds=[0, 2])
    with pytest.raises(ValueError, match=r"methods: .*'focal\+smooth_l1'.* there"):
        call(FakeTrain(), methods=[CE, GHM], seeds=[0, 1, 2])


def test_what_was_asked_for_by_mistake_is_left_out_again(call, tmp_path):
    call(FakeTrain(), methods=[CE, GHM], seeds=[0])
    with pytest.raises(KeyboardInterrupt):
        call(FakeTrain(fails_at=1), methods=[CE, FOCAL, GHM], seeds=[0, 2])
    train = FakeTrain()
    call(train, methods=[CE, GHM], seeds=[0])
    assert not train.calls
    assert table(tmp_path / "out")["runs_finished"] == 2


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
    ("changes", "difference"),
    [
        ({"seeds": [0, 1]}, r"seeds: \[0, 1, 2\] there, \[0, 1\] asked for"),
        ({"methods": [CE, GHM]}, r"methods: .*'focal\+smooth_l1'.* there, \['ce\+smooth_l1', 'ghmc\+ghmr'\] asked for"),
        ({"split": "test"}, "split: 'val' there, 'test' asked for"),
        ({"recipe": RECIPE.with_values({"trainer.max_steps": 9})}, r"recipe\.trainer\.max_steps: 2 there, 9 asked for"),
        (
            {"recipe": RECIPE.with_values({"loss.cls_options": {"bins": 9}})},
            r"recipe\.loss\.cls_options\.bins: None there",
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
        ({"methods": [CE, ("gmhc", "ghmr")]}, r"loss\.cls.*got 'gmhc'"),
        ({"methods": [CE, ("ghmc", "l2")]}, r"loss\.box.*got 'l2'"),
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


def test_a_folder_of_other_files_is_not_filled(call, data):
    train = FakeTrain()
    before = sorted(data.rglob("*"))
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds other files"):
            call(train, out=data, overwrite=overwrite)
    assert sorted(data.rglob("*")) == before


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
