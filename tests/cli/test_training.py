import json
import sys

from tests.cli.commands import refusal, torchghm
from tests.data.layouts import write_image
from tests.training.tiny import write_tiny_data


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
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "labels", "one.jpg", "predictions.csv", "predictions.json"
    ]  # fmt: skip
    assert "1 image, " in result.stdout
    (tmp_path / "bad.png").write_bytes(b"no image")
    result = torchghm(
        "predict", last, tmp_path / "bad.png", tmp_path / "one.png", "--out", tmp_path / "rest",
        "--threshold", "1", "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "1 image, 0 objects at or above 1" in result.stdout
    assert "left out: image" in result.stderr
    assert (tmp_path / "rest" / "one.jpg").is_file()
    assert "is not empty" in refusal("predict", last, tmp_path / "one.png", "--out", tmp_path / "found")


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


def test_a_quiet_command_prints_nothing_that_went_well(place):
    shown = torchghm("train", "--data", place / "data", "--out", place / "run", "--resume", "--quiet")
    assert (shown.exit_code, shown.output) == (0, "")
