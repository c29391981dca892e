import sys

import pytest
from tests.data.layouts import write_image

from torchghm.training.evaluation.image_sources import image_files, pictures


def test_files_folders_and_patterns(tmp_path):
    for name in ("a/1.png", "a/2.jpg", "b/3.png", "b/4.txt"):
        write_image(tmp_path / name) if not name.endswith("txt") else (tmp_path / name).touch()
    named = image_files([tmp_path / "a", tmp_path / "*" / "*.png", tmp_path / "b" / "4.txt"])
    assert [path.name for path in named] == [
        "1.png",
        "2.jpg",
        "3.png",
        "4.txt",
    ]  # a file that is named is taken as it is


def test_a_pattern_from_where_one_stands(tmp_path, monkeypatch):
    write_image(tmp_path / "a" / "1.png")
    monkeypatch.chdir(tmp_path)
    assert [str(path) for path in image_files(["**/*.png"])] == ["a/1.png"]


def test_what_is_not_there_is_named(tmp_path):
    for name in ("none.png", "*.png"):
        with pytest.raises(FileNotFoundError, match="there is no image or folder"):
            image_files([tmp_path / name])


def test_a_video_without_the_package_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=r"film\.mp4' is a video.*pip install 'torchghm\[video\]'"):
        next(pictures(tmp_path / "film.mp4"))
