import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tests.data.layouts import write_image
from tests.training.tiny import TINY, write_tiny_data
from torchghm.cli.app import app
from torchghm.training.recipes.files import recipe_yaml


def torchghm(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(*arguments, code=2):
    """The one line that a mistake is answered with."""
    result = torchghm(*arguments)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, a recipe and a run, the latter made by the command."""
    place = tmp_path_factory.mktemp("cli")
    write_tiny_data(place / "data")
    (place / "tiny.yaml").write_text(recipe_yaml(TINY))
    result = torchghm(
        "train", "--data", place / "data", "--recipe", place / "tiny.yaml", "--out", place / "run",
        "--set", "trainer.epochs=1", "--set", "loss.cls=focal",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "focal + ghmr on val,test, after 1 epoch" in result.stdout
    assert f"run folder: {place / 'run'}" in result.stdout
    assert "epoch 1/1  AP " in result.stderr
    yield place
    shutil.rmtree(place)


def test_help_names_every_command_and_is_quick_to_say_so():
    listed = torchghm("--help")
    assert listed.exit_code == 0
    for command in ("train", "eval", "predict", "compare", "report", "data"):
        assert f"  {command} " in listed.stdout
    heavy = {"torchvision", "lightning", "pydantic", "torchmetrics", "matplotlib"}
    check = "import sys, torchghm.cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert not heavy & set(loaded.split())


def test_a_quiet_command_prints_nothing_that_went_well(place):
    shown = torchghm("train", "--data", place / "data", "--out", place / "run", "--resume", "--quiet")
    assert (shown.exit_code, shown.output) == (0, "")


def test_a_shell_completes_commands(monkeypatch):
    shown = torchghm("--show-completion", "bash")
    assert shown.exit_code == 0, shown.output
    assert "_TORCHGHM_COMPLETE=complete_bash" in shown.stdout


def test_it_runs_as_a_module():
    shown = subprocess.run([sys.executable, "-m", "torchghm", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == "torchghm 0.1.0\n"


def test_train_says_what_is_wrong(place, tmp_path):
    data = ("--data", place / "data")
    out = ("--out", tmp_path / "new")
    assert "the data folder" in refusal("train", "--data", tmp_path / "none", *out)
    assert "nearest known one is 'optimizer.lr'" in refusal("train", *data, *out, "--set", "optimizer.lrr=1")
    assert "nearest known one is 'bccd'" in refusal("train", *data, *out, "--recipe", "bcdd")
    assert "Expected --set to be key=value" in refusal("train", *data, *out, "--set", "optimizer.lr")
    assert "holds another run" in refusal("train", *data, "--out", place / "run")
    assert "--resume or --overwrite, but got both" in refusal("train", *data, *out, "--resume", "--overwrite")
    assert not (tmp_path / "new").exists()
    assert torchghm("train").exit_code == 2


def test_names_do_not_reach_the_terminal_raw(tmp_path):
    assert "\x1b" not in refusal("train", "--data", tmp_path / "\x1b[31mred")


def test_a_traceback_on_request(tmp_path):
    result = torchghm("--traceback", "data", "scenes", tmp_path, "--images", "-3")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


@pytest.fixture(autouse=True)
def without_tracebacks(monkeypatch):
    monkeypatch.setattr("torchghm.cli.errors._settings", {"traceback": False})


def test_a_complete_run_is_shown_again(place):
    result = torchghm("train", "--data", place / "data", "--out", place / "run", "--resume")
    assert result.exit_code == 0, result.output
    assert "focal + ghmr on val,test" in result.stdout


def test_eval(place, tmp_path):
    result = torchghm(
        "eval",
        place / "run",
        "--data",
        place / "data",
        "--split",
        "test",
        "--out",
        tmp_path / "a.json",
        "--device",
        "cpu",
    )
    assert result.exit_code == 0, result.output
    assert "on 2 images of test" in result.stdout
    assert json.loads((tmp_path / "a.json").read_text())["images"] == 2
    assert "Expected --out to be a file" in refusal("eval", place / "run", "--data", place / "data", "--out", tmp_path)
    assert "got ''" in refusal("eval", place / "run", "--data", place / "data", "--split", "")
    assert "holds no run" in refusal("eval", tmp_path, "--data", place / "data")
    assert "got 'nope'" in refusal("eval", place / "run", "--data", place / "data", "--split", "nope")


def test_predict(place, tmp_path):
    write_image(tmp_path / "one.png")
    last = place / "run" / "checkpoints" / "last.ckpt"
    result = torchghm("predict", last, tmp_path / "one.png", "--out", tmp_path / "found", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == ["one.jpg", "predictions.json"]
    assert "is not empty" in refusal("predict", last, tmp_path / "one.png", "--out", tmp_path / "found")


def test_report(place, tmp_path):
    result = torchghm("report", place / "run", "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "<html" in (tmp_path / "page.html").read_text()
    assert "comparison" in refusal("report", tmp_path)


def test_compare(place):
    compare = (
        "compare", "--data", place / "data", "--recipe", place / "tiny.yaml", "--set", "trainer.max_steps=1",
        "--pairs", "focal+smooth_l1,ghmc+ghmr", "--seeds", "1", "--eval", "test", "--out", place / "comparison",
    )  # fmt: skip
    result = torchghm(*compare)
    assert result.exit_code == 0, result.output
    assert "ghmc" in result.stdout
    for name in ("comparison.json", "comparison.csv", "comparison.md", "report.html", "plan.json"):
        assert (place / "comparison" / name).is_file()
    again = torchghm(*compare)
    assert again.exit_code == 0
    assert "epoch" not in again.stderr  # nothing is trained twice


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--cls", "fokal"],
            "Expected --cls (in --pairs: its part) to be of ce, ohem, focal, ghmc, ghmc_published, asymmetric, ",
        ),
        (
            ["--box", "giou"],
            "Expected --box (in --pairs: its part) to be of smooth_l1, l1, asl1, ghmr, ghmr_published, own, but got "
            "'giou'",
        ),
        (["--pairs", "ghmc"], "Expected --pairs to be CLS+BOX, for example ghmc+ghmr, but got 'ghmc'"),
        (["--pairs", "ghmc+ghmr", "--cls", "ce"], "Expected --pairs, or --cls and --box, but got both"),
        (["--cls", ","], "Expected names joined by commas, but got ','"),
    ],
)
def test_compare_says_what_is_wrong(place, options, says):
    assert says in refusal("compare", "--data", place / "data", *options)


def test_data_commands(place, tmp_path):
    assert torchghm("data", "check", place / "data").exit_code == 0
    (place / "data" / "train2017" / "0.png").rename(tmp_path / "0.png")
    try:
        found = torchghm("data", "check", place / "data")
    finally:
        (tmp_path / "0.png").rename(place / "data" / "train2017" / "0.png")
    assert found.exit_code == 1
    assert "0.png" in found.stdout
    assert "does not exist" in refusal("data", "check", tmp_path / "none")
    made = torchghm("data", "scenes", tmp_path / "scenes", "--images", "5", "--label-noise", "0.2")
    assert made.exit_code == 0, made.output
    assert torchghm("data", "check", tmp_path / "scenes").exit_code == 0
    assert "is not empty" in refusal("data", "scenes", tmp_path / "scenes")


def test_shards(place, tmp_path):
    made = torchghm("data", "shards", place / "data", tmp_path / "shards", "--size", "1")
    assert made.exit_code == 0, made.output
    assert made.stdout == f"shards: {tmp_path / 'shards'}\n"
    assert torchghm("data", "check", tmp_path / "shards").exit_code == 0
    assert "is not empty" in refusal("data", "shards", place / "data", tmp_path / "shards")
    assert "expected argument `size`" in refusal("data", "shards", place / "data", tmp_path / "other", "--size", "0")
    for shard in (tmp_path / "shards").glob("*.tar"):
        shard.rename(tmp_path / shard.name)
    assert torchghm("data", "check", tmp_path / "shards").exit_code == 1
    assert torchghm("data", "check", tmp_path / "shards", "--shards-at", tmp_path).exit_code == 0


def test_a_data_set_with_known_errors_is_made(place, tmp_path):
    made = torchghm("data", "noise", place / "data", tmp_path / "noisy", "--rate", "0.5", "--seed", "3")
    assert made.exit_code == 0, made.output
    assert (tmp_path / "noisy" / "label_noise.json").is_file()
    assert torchghm("data", "check", tmp_path / "noisy").exit_code == 0
    assert "an empty folder" in refusal("data", "noise", place / "data", tmp_path / "noisy", "--rate", "0.5")
    assert "argument `rate`" in refusal("data", "noise", place / "data", tmp_path / "other", "--rate", "1")


def test_a_check_as_json_and_as_a_page(place, tmp_path):
    found = torchghm("data", "check", place / "data", "--json", "--html", tmp_path / "page.html")
    assert json.loads(found.stdout)["usable"] is True
    assert "base64" in (tmp_path / "page.html").read_text()


def test_data_are_converted_and_divided(place, tmp_path):
    for to in ("voc", "yolo", "coco"):
        assert torchghm("data", "convert", place / "data", tmp_path / to, "--to", to).exit_code == 0
        checked = torchghm("data", "check", tmp_path / to, "--json")
        assert json.loads(checked.stdout)["layout"] == to
    divided = torchghm("data", "split", tmp_path / "voc", tmp_path / "split", "--val", "0.25", "--test", "0.25")
    assert divided.exit_code == 0, divided.output
    assert list(json.loads(torchghm("data", "check", tmp_path / "split", "--json").stdout)["splits"]) == [
        "train", "val", "test",
    ]  # fmt: skip
    assert "`to`" in refusal("data", "convert", place / "data", tmp_path / "other", "--to", "csv")


def test_what_data_are_can_be_said(place, tmp_path):
    torchghm("data", "convert", place / "data", tmp_path / "yolo", "--to", "yolo")
    for file in (tmp_path / "yolo" / "labels" / "train").iterdir():
        file.unlink()
    missing = torchghm("data", "check", tmp_path / "yolo", "--json")
    assert missing.exit_code == 1
    assert "missing-labels" in [problem["kind"] for problem in json.loads(missing.stdout)["problems"]]
    said = torchghm("data", "check", tmp_path / "yolo", "--json", "--unlabelled", "background")
    assert "background-image" in [problem["kind"] for problem in json.loads(said.stdout)["problems"]]
    assert "`boxes`" in refusal("data", "check", place / "data", "--boxes", "ltrb")
    assert "`crowds`" in refusal("data", "check", place / "data", "--crowds", "none")


def test_strict_refuses_what_can_be_dealt_with(tmp_path):
    write_tiny_data(tmp_path / "data")
    annotations = tmp_path / "data" / "annotations" / "instances_train2017.json"
    content = json.loads(annotations.read_text())
    content["annotations"][0]["bbox"][2] = 0
    annotations.write_text(json.dumps(content))
    assert torchghm("data", "check", tmp_path / "data").exit_code == 0
    assert torchghm("data", "check", tmp_path / "data", "--strict").exit_code == 1
    for command in ("train", "compare"):
        result = torchghm(command, "--data", tmp_path / "data", "--out", tmp_path / "out", "--strict")
        assert result.exit_code == 2
        assert "instances_train2017.json: box-without-area: 1" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_says_what_to_install(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    monkeypatch.delitem(sys.modules, "torchghm.training.evaluation.evaluate", raising=False)
    monkeypatch.delitem(sys.modules, "torchghm.training.loop.checkpoints", raising=False)
    line = refusal("eval", place / "run", "--data", place / "data")
    assert line.endswith("not installed: pip install 'torchghm[train]'")
