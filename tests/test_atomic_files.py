"""A file that can't be written is named, and what was there stays."""

import json
import os
import threading
from pathlib import Path

import pytest

from torchghm.atomic_files import WriteError, replaced, write_json
from torchghm.data import load_data, write_scenes, write_shards
from torchghm.report import write_report
from torchghm.training.loggers.tensorboard import TensorBoardCurves
from torchghm.training.loop.history import EpochTable


def test_a_full_disk_leaves_the_file_before(tmp_path, no_file_beyond):
    path = tmp_path / "results.json"
    write_json(path, {"ap": 0.5})
    with no_file_beyond(100), pytest.raises(WriteError) as error:
        write_json(path, {"ap": list(range(100))})
    assert str(error.value) == f"can't write '{path}' (the one before is kept): File too large"
    assert path.read_text() == '{\n  "ap": 0.5\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError) as error:
        write_json(tmp_path / "file" / "run" / "results.json", {})
    assert str(error.value) == f"can't write '{tmp_path}/file/run/results.json': Not a directory"


def half_written(path):
    with replaced(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError


def test_other_errors_are_passed_on(tmp_path):
    with pytest.raises(ZeroDivisionError):
        half_written(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_table_keeps_its_rows(tmp_path, no_file_beyond):
    table = EpochTable(tmp_path / "metrics.csv", ("epoch", "step"))
    table.add([{"epoch": 0, "step": 2}])
    with no_file_beyond(20), pytest.raises(WriteError, match=r"metrics\.csv' \(the one before is kept\)"):
        table.add([{"epoch": 1, "step": 4}, {"epoch": 2, "step": 6}])
    assert table.path.read_text() == "epoch,step\n0,2\n"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of TensorBoard's writing thread
def test_curves_that_have_no_room_name_their_folder(tmp_path, no_file_beyond):
    threads = set(threading.enumerate())
    curves = TensorBoardCurves(tmp_path / "tensorboard")
    curves.log_metrics({"loss": 1.0}, 1)
    curves.experiment.flush()

    def go_on():
        for step in range(2, 100):
            curves.log_metrics({"loss": 1.0}, step)
            curves.experiment.flush()

    with no_file_beyond(300):
        with pytest.raises((WriteError, OSError)):
            go_on()
        with pytest.raises(WriteError, match=r"can't write '.*/tensorboard': File too large"):
            curves.log_metrics({"loss": 1.0}, 100)
        with pytest.raises(WriteError, match=r"can't write '.*/tensorboard': File too large"):
            curves.finalize("failed")
    for thread in set(threading.enumerate()) - threads:
        thread.join()


def test_curves_say_what_is_no_number(tmp_path):
    curves = TensorBoardCurves(tmp_path / "tensorboard")
    with pytest.raises(ValueError, match="currently not supported"):
        curves.log_metrics({"loss": "much"}, 1)
    curves.finalize("failed")


def test_file_names_that_are_no_text_are_written_and_read_back(tmp_path):
    content = {"name": os.fsdecode(b"\xe4.png"), "class": "K\u00e4fer"}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    assert "K\u00e4fer" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("make", ["scenes", "shards"])
def test_a_folder_that_has_no_room_is_named_and_left_out(tmp_path, no_file_beyond, make):
    scenes = write_scenes(tmp_path / "scenes", images=4, image_size=(96, 128))
    out = tmp_path / "out"
    data = load_data(scenes)
    with no_file_beyond(1000), pytest.raises(WriteError) as error:
        write_scenes(out, images=4, image_size=(96, 128)) if make == "scenes" else write_shards(data, out)
    assert str(error.value) == f"can't write '{out}': File too large"
    assert list(tmp_path.iterdir()) == [scenes]


def test_a_folder_below_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="can't write '.*file/scenes': File exists"):
        write_scenes(tmp_path / "file" / "scenes", images=4)


def test_an_empty_folder_is_filled_where_it_stands(tmp_path, monkeypatch):
    """It may be a mounted disk, or where the user is."""
    (tmp_path / "here").mkdir()
    before = (tmp_path / "here").stat().st_ino
    monkeypatch.chdir(tmp_path / "here")
    write_scenes(Path(), images=4, image_size=(96, 128))
    assert (tmp_path / "here").stat().st_ino == before
    assert load_data(tmp_path / "here").splits["train"]
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_an_image_that_is_gone_is_no_fault_of_the_shards(tmp_path):
    data = load_data(write_scenes(tmp_path / "scenes", images=4, image_size=(96, 128)))
    (image := next((tmp_path / "scenes" / "train").iterdir())).unlink()
    with pytest.raises(OSError, match=image.name) as error:
        write_shards(data, tmp_path / "shards")
    assert not isinstance(error.value, WriteError)


def test_a_page_that_has_no_room_is_named(tmp_path, no_file_beyond):
    write_json(tmp_path / "results.json", {"cls": "ghmc", "box": "ghmr"})
    (tmp_path / "report.html").write_text("the page before")
    with no_file_beyond(1000), pytest.raises(WriteError, match=r"report\.html' \(the one before is kept\)"):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "the page before"
