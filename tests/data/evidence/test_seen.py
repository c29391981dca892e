from __future__ import annotations

from torchghm.data.evidence.seen import what_is_there
from torchghm.data.folders.folder import DataFolder


def test_what_is_in_an_unknown_folder(tmp_path):
    assert what_is_there(DataFolder(tmp_path)) == "none: there is no file in it"
    for name in ("train/a.jpg", "train/a.xml", "train/b.xml", ".DS_Store", "all.json.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert (
        what_is_there(DataFolder(tmp_path))
        == "none of them, but 1 packed files (unpack them) in ./, 2 XML files and 1 images in train/"
    )
