import json
import os

from torchghm.training.atomic_files import write_json


def test_file_names_that_are_no_text_are_written_and_read_back(tmp_path):
    content = {"name": os.fsdecode(b"\xe4.png"), "class": "K\u00e4fer"}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    assert "K\u00e4fer" in (tmp_path / "a.json").read_text(encoding="utf-8")
