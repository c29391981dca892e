import struct
import sys

import numpy as np
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


def test_what_only_looks_like_an_image_in_a_folder_is_left_out(tmp_path):
    """A folder with such a name, and what macOS writes beside each file on a foreign disk."""
    write_image(tmp_path / "1.png")
    (tmp_path / "._1.png").write_bytes(b"Mac OS X")
    write_image(tmp_path / "2.png" / "3.png")
    for named in (tmp_path, tmp_path / "*.png"):
        assert [path.name for path in image_files([named])] == ["1.png"]


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


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_frames_of_a_video_are_turned_upright(tmp_path, quarters):
    """The left half is bright as it is shown; a telephone stores it otherwise, and says how to turn it."""
    av = pytest.importorskip("av", reason="PyAV, which reads videos, is not installed")
    shown = np.zeros((64, 48, 3), np.uint8)
    shown[:, :24] = 240
    stored = np.ascontiguousarray(np.rot90(shown, quarters))
    file = tmp_path / "film.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.height, stream.width, stream.pix_fmt = *stored.shape[:2], "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(stream.encode())
    # The header of the track, in which the matrix stands that a player turns each frame by: clockwise.
    one = 1 << 16
    turn = {0: (one, 0, 0, one), 1: (0, one, -one, 0), 2: (-one, 0, 0, -one), 3: (0, -one, one, 0)}[quarters]
    content = bytearray(file.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", turn[0], turn[1], 0, turn[2], turn[3], 0, 0, 0, 1 << 30)
    file.write_bytes(content)
    (frame,) = pictures(file)
    assert frame.shape == shown.shape
    assert frame[:, :16].min() > 128 > frame[:, 32:].max()
