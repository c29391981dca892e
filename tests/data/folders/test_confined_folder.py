from __future__ import annotations

import os

import pytest

from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "data"
    (root / "inner" / "deep").mkdir(parents=True)
    for name in ("a.txt", "inner/b.TXT", "inner/deep/c.txt", "inner/d.png"):
        (root / name).write_text(name)
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "secret.txt").write_text("secret")
    return DataFolder(root)


def test_files_are_found_relative_to_a_start(folder):
    assert folder.file("a.txt") == "a.txt"
    assert folder.file("b.TXT", "inner") == "inner/b.TXT"
    assert folder.file("./deep/../b.TXT", "inner") == "inner/b.TXT"
    assert folder.file("../a.txt", "inner") == "a.txt"
    assert folder.file(str(folder.root / "a.txt"), "inner") == "a.txt"
    for name in (
        "",
        ".",
        "inner",
        "gone.txt",
        "gone/a.txt",
        "a.txt/b",
        "B.txt",
        "a\0.txt",
        "x" * 10_000,
        "/".join("x" * 5000),
    ):
        assert folder.file(name) is None


@pytest.mark.parametrize(
    "name", ["..", "../a.txt", "inner/../../x", "/etc/hostname", "//etc/hostname", "../database/secret.txt"]
)
def test_names_that_lead_out_are_refused(folder, name):
    for look_up in (folder.file, folder.folder):
        with pytest.raises(FileError, match="leads out") as raised:
            look_up(name)
        assert raised.value.what == "path-outside"
    beside = str(folder.root) + "base/secret.txt"  # begins like the root, and is not in it
    with pytest.raises(FileError, match="leads out"):
        folder.file(beside)


def test_links_are_followed_inside_only(folder):
    (folder.root / "within.txt").symlink_to(folder.root / "a.txt")
    (folder.root / "out.txt").symlink_to(folder.root.parent / "database" / "secret.txt")
    (folder.root / "out").symlink_to(folder.root.parent / "database")
    (folder.root / "dangling.txt").symlink_to(folder.root / "gone.txt")
    assert folder.file("within.txt") == "within.txt"
    assert folder.file("dangling.txt") is None
    for name in ("out.txt", "out/secret.txt"):
        with pytest.raises(FileError, match="symbolic link"):
            folder.file(name)
        with pytest.raises(FileError, match="symbolic link"):
            folder.read(name)
    with pytest.raises(FileError, match="symbolic link"):
        folder.folder("out")


def test_reading(folder):
    (folder.root / "bytes.txt").write_bytes(b"\xef\xbb\xbfK\xc3\xa4fer")
    (folder.root / "latin.txt").write_bytes(b"K\xe4fer")
    assert folder.read("bytes.txt") == b"\xef\xbb\xbfK\xc3\xa4fer"
    assert folder.read_text("bytes.txt", 100) == "K\u00e4fer"
    with pytest.raises(FileError, match="has 9 bytes, more than 8"):
        folder.read_text("bytes.txt", 8)
    with pytest.raises(FileError, match="not text in UTF-8"):
        folder.read_text("latin.txt", 100)


def test_pipes_and_folders_are_no_files(folder):
    os.mkfifo(folder.root / "pipe.txt")
    for name in ("pipe.txt", "inner"):
        assert folder.file(name) is None
        with pytest.raises(FileError, match="is not a file"):
            folder.read(name)
