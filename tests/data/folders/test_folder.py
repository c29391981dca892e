from __future__ import annotations

import pytest

from torchghm.data.folders.folder import DataFolder


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "data"
    (root / "inner" / "deep").mkdir(parents=True)
    for name in ("a.txt", "inner/b.TXT", "inner/deep/c.txt", "inner/d.png"):
        (root / name).write_text(name)
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "secret.txt").write_text("secret")
    return DataFolder(root)


def test_files_by_suffix(folder):
    assert folder.files("", (".txt",)) == ["a.txt"]
    assert folder.files("inner", (".txt",)) == ["inner/b.TXT"]
    assert folder.files("inner", (".txt", ".png"), recursive=True) == ["inner/b.TXT", "inner/d.png", "inner/deep/c.txt"]
    assert folder.files("", (".txt",), recursive=True) == ["a.txt", "inner/b.TXT", "inner/deep/c.txt"]
    assert folder.files("gone", (".txt",), recursive=True) == []
