import json

from tests.cli.commands import refusal, torchghm


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
    assert "Expected argument `size`" in refusal("data", "shards", place / "data", tmp_path / "other", "--size", "0")
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
