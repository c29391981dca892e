"""Wrong inputs: each message names the option or file, what was expected, what came, and what to do about it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.cli.commands import torchghm
from tests.training.tiny import TINY, write_tiny_data

from torchghm.training.recipes.files import recipe_yaml
from torchghm.training.run_folder import RunFolder

MISTAKE = 2
TRAIN = "train --data {p}/data --out {p}/new"
COMPARE = "compare --data {p}/data --out {p}/new"
RUN = ("name the folder that `torchghm train` wrote, or a checkpoint in it",)
INTERRUPTED = ("was interrupted before its first checkpoint", "there is no", "torchghm train --resume --out {p}/run")

TABLE: list[tuple[str, tuple[str, ...]]] = [
    # options
    ("trian", ("No such command 'trian'", "'train'")),
    ("train --out {p}/new", ("Missing option '--data'",)),
    ("train --data {p}/data --epochs 3", ("No such option: --epochs",)),
    ("train --data {p}/nowhere --out {p}/new", ("data folder '{p}/nowhere'", "not exist", "another one with --data")),
    (f"{TRAIN} --resume --overwrite", ("--resume or --overwrite", "got both")),
    ("predict {p}/file {p}/data --out {p}/new --threshold 3", ("--threshold", "in [0, 1]", "got 3")),
    ("predict {p}/file {p}/none.jpg --out {p}/new", ("no image or folder '{p}/none.jpg'", "name images, videos")),
    ("predict {p}/file {p}/notes --out {p}/new", ("IMAGES", "at least one image", "none in {p}/notes")),
    ("eval {p}/file --data {p}/data --out {p}/notes", ("--out", "to be a file", "the folder '{p}/notes'")),
    (f"{COMPARE} --seeds 0", ("--seeds", "at least 1", "got 0")),
    (f"{COMPARE} --cls fokal", ("--cls", "one of ce, ohem, focal, ghmc", "got 'fokal'")),
    (f"{COMPARE} --box giou", ("--box", "one of smooth_l1, l1, asl1, ghmr", "got 'giou'")),
    (f"{COMPARE} --pairs ghmc", ("--pairs", "CLS+BOX, for example ghmc+ghmr", "got 'ghmc'")),
    (f"{COMPARE} --pairs ghmc+ghmr --cls ce", ("--pairs, or --cls and --box", "got both")),
    (f"{COMPARE} --baseline ohem", ("--baseline", "one of the methods ce+smooth_l1, focal+", "got 'ohem'")),
    (
        f"{COMPARE} --cls ce --box smooth_l1,ghmr --baseline ce",
        ("--baseline", "one of the methods ce+smooth_l1, ce+ghmr", "got 'ce'", "short for", "name one whole"),
    ),
    (f"{COMPARE} --preset fine", ("no preset and no preset file 'fine'", "'fine_tuning'")),
    (
        "advise --data {p}/data {p}/run --set seed=1",
        ("a run, or --recipe, --set and --steps of a dry pass", "got both"),
    ),
    ("review {p}/run", ("torchghm review RUN --out DIR", "the folder to make")),
    ("recipes nothing", ("no recipe and no recipe file 'nothing'", "the nearest known one")),
    ("recipes fine_tuning --set seed=1", ("--set with a recipe", "got it with a preset")),
    ("data check {p}/data --layout yollo", ("--layout", "one of coco, voc, yolo", "got 'yollo'")),
    ("data check {p}/data --boxes corners", ("--boxes", "one of xyxy, xyxy-pixels", "got 'corners'")),
    ("data convert {p}/data {p}/new --to csv", ("--to", "one of coco, voc, yolo", "got 'csv'")),
    ("data split {p}/data {p}/new --val 1.5", ("--val", "at least 0 and below 1", "got 1.5")),
    ("data noise {p}/data {p}/new --rate 2", ("--rate", "at least 0 and below 1", "got 2")),
    ("data shards {p}/data {p}/new --size 0", ("--size", "at least 1 (MiB)", "got 0")),
    ("data scenes {p}/new --label-noise 2", ("--label-noise", "in [0, 1]", "got 2")),
    ("data scenes {p}/new --image-size 20 30", ("--image-size", "80 to 4000 pixels", "got (20, 30)")),
    # the recipe's keys and values
    (f"{TRAIN} --set optimizer.lr", ("--set", "key=value, for example optimizer.lr=1e-3", "got 'optimizer.lr'")),
    (f"{TRAIN} --set optimizer.lrr=1", ("--set", "unknown key 'optimizer.lrr'", "nearest known one is 'optimizer.lr'")),
    (f"{TRAIN} --set optimizer.lr=-1", ("--set", "optimizer.lr", "greater than 0", "got -1")),
    (f"{TRAIN} --set data.image_size=96", ("--set", "data.image_size", "a list such as [96, 128]", "got 96")),
    (f"{TRAIN} --set data.image_size=[96]", ("--set", "data.image_size", "a list such as [96, 128]", "got [96]")),
    (f"{TRAIN} --set trainer.epochs=null", ("--set", "trainer.epochs", "a valid integer", "got null")),
    (f"{TRAIN} --set trainer.epochs=true", ("--set", "trainer.epochs", "no true or false", "got true")),
    (f"{TRAIN} --set loss.cls=fokal", ("--set", "loss.cls", "ce, ohem, focal, ghmc", "got fokal")),
    (f"{TRAIN} --set loss.cls_options.binz=9", ("--set", "'loss.cls_options.binz' of the loss 'ghmc'", "'bins'")),
    (f"{TRAIN} --set loss.cls_options.bins=0", ("--set", "loss.cls_options", "`bins`", "at least 1", "got 0")),
    (f"{TRAIN} --set model.backbone=resnet19", ("--set", "`model.backbone`", "resnet18, resnet34", "got 'resnet19'")),
    (f"{TRAIN} --set model.detector=yolo", ("--set", "model.detector", "retinanet, retinanet_v2", "got yolo")),
    (
        f"{TRAIN} --set model.detector=ssd300 --set data.image_size=[96,96]",
        ("--set", "`data.image_size` to be null for ssd300", "images of one size", "got [96, 96]"),
    ),
    (
        f"{TRAIN} --set model.detector=ssd300 --set model.anchor_scales=[1,2]",
        ("--set", "`model.anchor_scales` to be null for ssd300", "no such option", "got [1.0, 2.0]"),
    ),
    # files
    (f"{TRAIN} --recipe finetun", ("no recipe and no recipe file 'finetun'", "'finetune'")),
    (f"{TRAIN} --recipe {{p}}/bad.yaml", ("recipe {p}/bad.yaml", "optimizer.lr", "a valid number", "got fast")),
    (f"{TRAIN} --recipe {{p}}/twice.yaml", ("recipe {p}/twice.yaml", "not YAML", "the key 'seed' is there twice")),
    (f"{COMPARE} --preset {{p}}/preset.yaml", ("preset {p}/preset.yaml", "`baseline` to be one of a", "got 'b'")),
    ("review --apply {p}/nowhere {p}/data {p}/new", ("no file of decisions '{p}/nowhere'", "torchghm review")),
    ("eval {p}/file --data {p}/data", ("the checkpoint '{p}/file' can't be read", "as torch.save writes it")),
    # folders of runs and comparisons
    (
        "train --data {p}/data --out {p}/run --recipe {p}/tiny.yaml",
        ("'{p}/run' holds another run", "another folder with --out", "--resume", "--overwrite"),
    ),
    (
        "train --data {p}/data --out {p}/notes --recipe {p}/tiny.yaml",
        ("'{p}/notes' is not empty and holds no run", "another one with --out"),
    ),
    ("train --data {p}/data --out {p}/file", ("'{p}/file'", "a folder or nothing", "got a file", "with --out")),
    (
        "train --data {p}/data --out {p}/run --resume --set seed=1 --set optimizer.lr=1 --set data.flip=0 --set "
        "data.translate=0 --set data.image_size=null",
        (
            "the run in '{p}/run' can't be resumed",
            "seed was 0 and is 1, data.image_size was [64, 64] and is null, data.flip was 0.5 and is 0.0 and 2 more",
            "another folder with --out",
            "--overwrite",
        ),
    ),
    ("eval {p}/nowhere --data {p}/data", ("no checkpoint and no run folder '{p}/nowhere'", *RUN)),
    ("eval {p}/notes --data {p}/data", ("'{p}/notes' holds no run", "no recipe.yaml", *RUN)),
    ("eval {p}/run --data {p}/data", ("'{p}/run'", *INTERRUPTED)),
    ("eval {p}/compared --data {p}/data", ("'{p}/compared' holds a comparison", "name one of its runs", "seed-0'")),
    ("predict {p}/run {p}/data --out {p}/new", ("'{p}/run'", *INTERRUPTED)),
    ("export {p}/run", ("'{p}/run'", *INTERRUPTED)),
    ("advise --data {p}/data {p}/nowhere", ("no checkpoint and no run folder '{p}/nowhere'", *RUN)),
    ("review {p}/nowhere --out {p}/new", ("no checkpoint and no run folder '{p}/nowhere'", *RUN)),
    ("report {p}/nowhere", ("'{p}/nowhere'", "with results.json", "no such folder")),
    ("report {p}/run", ("'{p}/run'", "with results.json", "an interrupted run", "--resume --out {p}/run")),
    ("report {p}/compared", ("'{p}/compared'", "with comparison.json", "no run is finished", "the command that began")),
    ("compare --data {p}/data --out {p}/notes", ("--out", "a new folder", "{p}/notes holds other files", "Choose")),
    ("compare --data {p}/data --out {p}/run", ("--out", "{p}/run holds", "Choose another folder")),
]
"""Commands, and the parts of their message in order; `{p}` is the folder of the fixture. Nothing is trained."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, a run that was interrupted, a comparison of which no run is finished, and files of other kinds."""
    folder = tmp_path_factory.mktemp("wrong")
    write_tiny_data(folder / "data")
    (folder / "tiny.yaml").write_text(recipe_yaml(TINY))
    (folder / "bad.yaml").write_text("optimizer: {lr: fast}\n")
    (folder / "twice.yaml").write_text("seed: 1\nseed: 2\n")
    (folder / "preset.yaml").write_text("methods: {a: {loss.cls: ce}}\nbaseline: b\n")
    RunFolder(folder / "run").prepare(TINY, "cpu")
    (folder / "compared" / "runs" / "ce+smooth_l1" / "seed-0").mkdir(parents=True)
    (folder / "compared" / "plan.json").write_text("{}")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("somebody's")
    (folder / "file").write_text("no checkpoint")
    return folder


@pytest.mark.parametrize(("command", "parts"), TABLE, ids=[command.replace("{p}/", "") for command, _ in TABLE])
def test_a_wrong_input_is_answered_with_what_to_do(folder: Path, command: str, parts: tuple[str, ...]) -> None:
    result = torchghm(*shlex.split(command.format(p=folder)))
    message = result.stderr.strip()
    assert result.exit_code == MISTAKE, message
    assert not result.stdout
    at = 0
    for part in (part.format(p=folder) for part in parts):
        assert part in message[at:], message
        at = message.index(part, at) + len(part)
    assert "Traceback" not in message
    if message.startswith("error: "):  # ours; Typer's own have lines on how the command is used
        assert "\n" not in message
    assert len(message) < 600
    assert not (folder / "new").exists()
