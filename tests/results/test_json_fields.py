from __future__ import annotations

from pathlib import Path

import pytest

from torchghm.printable import printable
from torchghm.results.json_fields import Fields, read_json


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b"1" * 10_000, b""])
def test_what_is_no_json_names_the_file(tmp_path: Path, content: bytes):
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"results\.json"):
        read_json(tmp_path / "results.json")


@pytest.mark.parametrize("value", ["0.5", True, float("nan"), float("inf"), 10**400, [1], {}])
def test_what_is_no_number_names_file_and_field(value: object):
    with pytest.raises(ValueError, match=r"`run\.ap` in x\.json to be a finite number or null"):
        Fields(Path("x.json"), {"ap": value}, "run").number("ap")


def test_missing_and_null_numbers_are_none():
    assert Fields(Path("x.json"), {"ap": None}).number("ap") is None
    assert Fields(Path("x.json"), {}).number("ap") is None


@pytest.mark.parametrize("relative", ["../up.jpg", "/etc/hostname", "a/../../up", "nul\0", 3, None])
def test_paths_stay_in_the_folder(tmp_path: Path, relative: object):
    with pytest.raises(ValueError, match="a path inside the folder"):
        Fields(tmp_path / "samples.json", {"image": relative}).inside("image")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "secret.jpg").touch()
    (tmp_path / "run/link.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ValueError, match="a path inside the folder"):
        Fields(tmp_path / "run/samples.json", {"image": "link.jpg"}).inside("image")


def test_text_cannot_reorder_or_end_a_page():
    assert printable("a\u202eb\x00c\ud800\nd") == "a\ufffdb\ufffdc\ufffd\ufffdd"
    assert printable("Zellen 猫 é") == "Zellen 猫 é"


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(ValueError) as caught:
        Fields(Path("x.json"), {"name": ["x" * 10_000]}).text("name")
    assert len(str(caught.value)) < 200
