from __future__ import annotations

from pathlib import Path

import pytest

from torchghm.atomic_files import WriteError
from torchghm.data.new_folder import new_folder


def made(folder: Path, interrupted: bool = False, **options: bool) -> Path:
    with new_folder(folder, "marker.json", "things", **options) as inside:
        (inside / "marker.json").touch()
        (inside / "content").write_text("new")
        if interrupted:
            raise KeyboardInterrupt
    return folder


def test_an_error_leaves_what_was_there(tmp_path):
    made(tmp_path / "out")
    (tmp_path / "out" / "content").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "out", interrupted=True, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "content").read_text() == "old"
    made(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "content").read_text() == "new"


def test_an_empty_folder_is_filled_and_stays_the_same_one(tmp_path):
    (tmp_path / "out").mkdir()
    before = (tmp_path / "out").stat().st_ino
    made(tmp_path / "out")
    assert (tmp_path / "out").stat().st_ino == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["content", "marker.json"]


def test_what_may_not_be_replaced(tmp_path):
    made(tmp_path / "out")
    with pytest.raises(FileExistsError, match="is not empty.*--overwrite"):
        made(tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match=r"does not hold things \(no marker.json\)"):
        made(tmp_path / "other", overwrite=True)
    with pytest.raises(FileExistsError, match="nothing is overwritten"), new_folder(tmp_path / "out", None, "things"):
        pass


def test_an_error_of_writing_names_the_folder_and_one_of_reading_its_own_file(tmp_path):
    with pytest.raises(WriteError, match="out"), new_folder(tmp_path / "out", None, "things") as new:
        (new / "gone" / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match="source"), new_folder(tmp_path / "out", None, "things"):
        (tmp_path / "source").read_text()
    assert list(tmp_path.iterdir()) == []
