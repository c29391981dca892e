"""Tar shards and indexes that are broken, and what becomes of them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

from tests.data.hostile.outcomes import GOOD, Case, Harm, Loads, Refused

FILE = "train.jsonl"
SHARD = "train-000000.tar"
IMAGE = f"{SHARD}/000000000.png"
BLOCK = 512


def lines(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / FILE).read_text().splitlines()]


def line(**keys: Any) -> Harm:
    """Other values for keys of the first image, which is a.png; None leaves a key out."""

    def harm(root: Path) -> None:
        first, *others = lines(root)
        first = {key: value for key, value in (first | keys).items() if value is not None}
        (root / FILE).write_text("".join(json.dumps(entry) + "\n" for entry in (first, *others)))

    return harm


def index(**keys: Any) -> Harm:
    def harm(root: Path) -> None:
        content = json.loads((root / "shards.json").read_text())
        (root / "shards.json").write_text(json.dumps(content | keys))

    return harm


def content(data: bytes, file: str) -> Harm:
    def harm(root: Path) -> None:
        (root / file).write_bytes(data)

    return harm


def place_of_the_second(root: Path) -> None:
    """The first image's boxes for the second image, which has the same size: nothing but its name would show it."""
    second = lines(root)[1]
    line(offset=second["offset"], size=second["size"])(root)


def header(member: str, kind: bytes = tarfile.REGTYPE, **keys: Any) -> Harm:
    """Another header before the first image, well-formed."""

    def harm(root: Path) -> None:
        info = tarfile.TarInfo(member)
        info.type, info.size = kind, lines(root)[0]["size"]
        for key, value in keys.items():
            setattr(info, key, value)
        data = (root / SHARD).read_bytes()
        (root / SHARD).write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + data[BLOCK:])

    return harm


def bytes_changed(place: int, data: bytes) -> Harm:
    def harm(root: Path) -> None:
        shard = bytearray((root / SHARD).read_bytes())
        shard[place : place + len(data)] = data
        (root / SHARD).write_bytes(shard)

    return harm


def moved_out(file: str) -> Harm:
    def harm(root: Path) -> None:
        (root / file).rename(root.parent / "moved")
        (root / file).symlink_to(root.parent / "moved")

    return harm


def linked_within(root: Path) -> None:
    (root / SHARD).rename(root / "kept")
    (root / SHARD).symlink_to("kept")


def pipe(root: Path) -> None:
    (root / SHARD).unlink()
    os.mkfifo(root / SHARD)


def repacked(root: Path) -> None:
    """Pack the samples again, without the last."""
    with tarfile.open(root / SHARD) as old, tarfile.open(root / "new.tar", "w") as new:
        for member in old.getmembers()[:-2]:
            new.addfile(member, old.extractfile(member))
    shutil.move(root / "new.tar", root / SHARD)


def compressed(root: Path) -> None:
    (root / SHARD).write_bytes(gzip.compress((root / SHARD).read_bytes()))


def shard_cut_to(size: int) -> Harm:
    return lambda root: os.truncate(root / SHARD, size)


def malformed(name: str, harm: Harm, words: str, file: str = FILE) -> Case:
    return (name, harm, Refused(file, "malformed-annotations", words))


def unreadable(name: str, harm: Harm, words: str) -> Case:
    return (name, harm, Refused(IMAGE, "unreadable-image", words, opened=True))


INDEX: list[Case] = [
    malformed("index: no JSON", content(b"{", "shards.json"), "is not JSON", "shards.json"),
    malformed("index: bytes", content(b"\xff\xfe\xff", "shards.json"), "is not text in UTF-8", "shards.json"),
    malformed("index: a list", content(b"[]", "shards.json"), "expected a JSON object, but got list", "shards.json"),
    malformed("index: deep", content(b'{"a":' * 100_000, "shards.json"), "is not JSON", "shards.json"),
    malformed("index: of the future", index(format=2), "expected 1 under the key 'format', but got '2'", "shards.json"),
    malformed("index: a class twice", index(classes=["ant", "ant"]), "different class names", "shards.json"),
    malformed("index: no classes", index(classes=None), "different class names", "shards.json"),
    malformed("index: a split without a name", index(splits={"": FILE}), "under the key 'splits'", "shards.json"),
    malformed("index: a split without a file", index(splits={"train": ""}), "under the key 'splits'", "shards.json"),
    malformed("index: splits are a list", index(splits=[FILE]), "under the key 'splits'", "shards.json"),
    ("index: a split that leads out", index(splits={"train": "../secret.txt"}),
     Refused("../secret.txt", "path-outside", "leads out")),
    malformed("index: a split that is gone", index(splits={"train": "gone.jsonl"}), "is not a file", "gone.jsonl"),
    ("index: a split that links out", moved_out(FILE), Refused(FILE, "path-outside", "symbolic link")),
    malformed("line: no JSON", content(b"{\n", FILE), "line 1: is not JSON"),
    malformed("line: too long", content(b" " * (16 * 2**20 + 1), FILE), "a line of more than 16777216 bytes"),
    malformed("line: an enormous number", content(b'{"key": ' + b"9" * 6000 + b"}", FILE), "line 1: is not JSON"),
    malformed("line: no name", line(name=None), "line 1: expected text under the key 'name'"),
    malformed("line: half a character", line(name="\ud800.png"), "a name that a file can have"),
    ("line: a name that leads out", line(name="../secret.png"), Refused(FILE, "path-outside", "line 1: .* leads out")),
    ("line: an absolute name", line(name="/etc/hostname"), Refused(FILE, "path-outside", "line 1: .* leads out")),
    malformed("line: width of a fraction", line(width=40.5), "line 1: expected a whole number .* 'width'"),
    malformed("line: no height", line(height=None), "line 1: expected a whole number .* 'height'"),
    malformed("line: true as id", line(image_id=True), "line 1: expected a whole number .* 'image_id'"),
    malformed("line: three numbers for a box", line(boxes=[[1, 2, 3]] * 2), "lists of four numbers"),
    malformed("line: text for a box", line(boxes=["1234"] * 2), "lists of four numbers"),
    malformed("line: a number beyond all floats", line(boxes=[[0, 0, 5, 10**400]] * 2), "lists of four numbers"),
    malformed("line: more labels than boxes", line(labels=[0, 1, 2]), "one entry for each of 2 boxes .* 'labels'"),
    malformed("line: text for crowd", line(crowd=["no", "no"]), "one entry for each of 2 boxes .* 'crowd'"),
    malformed("line: no area", line(area=None), "one entry for each of 2 boxes .* 'area'"),
    ("line: a class that is not defined", line(labels=[0, 3]),
     Refused(FILE, "unknown-category", "line 1: expected labels from 0 to 2")),
    ("line: a class below all", line(labels=[-1, 2]), Refused(FILE, "unknown-category", "labels from 0 to 2")),
    ("line: a box that is not finite", line(boxes=[[1, 2, 11, 12], [5, 5, float("nan"), 25]]),
     Loads({"a.png": (40, 30, GOOD["a.png"][2][:1])}, {"box-not-finite": 1})),
    ("line: a box without area", line(boxes=[[1, 2, 11, 12], [5, 5, 5, 5]]),
     Loads({"a.png": (40, 30, GOOD["a.png"][2][:1])}, {"box-without-area": 1})),
    ("line: an enormous box", line(boxes=[[1, 2, 11, 12], [-1e300, 5, 1e300, 25]]),
     Loads({"a.png": (40, 30, [GOOD["a.png"][2][0], ("cow", [0, 5, 40, 25])])}, {"box-clipped": 1})),
    ("line: an area that cannot be", line(area=[1e300, float("nan")]), Loads()),
    ("line: another size", line(width=41),
     Refused(IMAGE, "size-mismatch", "is 40 x 30, but was annotated as 41 x 30", opened=True)),
]  # fmt: skip

PLACES: list[Case] = [
    *((f"shard: {name!r}", line(shard=name), Refused(FILE, "path-outside", "expected the name of a tar file"))
      for name in ("../secret.tar", "/etc/x.tar", "a/b.tar", "..", "x", "a\0.tar", "http://x/y.tar")),
    malformed("shard: no name", line(shard=""), "expected text under the key 'shard'"),
    ("shard: gone", line(shard="gone.tar"), Refused(FILE, "unusable-shard", "there is no shard 'gone.tar'")),
    ("shard: a link out of the folder", moved_out(SHARD), Refused(FILE, "path-outside", "symbolic link")),
    ("shard: a link within the folder", linked_within, Loads()),
    ("shard: a pipe", pipe, Refused(FILE, "unusable-shard", "there is no shard")),
    ("shard: empty", shard_cut_to(0), Refused(FILE, "unusable-shard", "has 0 bytes, and an image to byte")),
    ("shard: cut off", shard_cut_to(700), Refused(FILE, "unusable-shard", "has 700 bytes, and an image to byte")),
    ("shard: compressed", compressed, Refused(FILE, "unusable-shard", "bytes, and an image to byte")),
    ("shard: packed again without the last", repacked,
     Refused(f"{SHARD}/000000002.png", "unreadable-image", "holds no member at byte", opened=True)),
    ("place: beyond the end", line(offset=2**61), Refused(FILE, "unusable-shard", "and an image to byte 23058430")),
    malformed("place: before the beginning", line(offset=-512), "line 1: expected a whole number from 512"),
    malformed("place: in the first header", line(offset=0), "line 1: expected a whole number from 512"),
    malformed("place: larger than any image", line(size=10**12), "expected a whole number from 1 to 1073741824"),
    malformed("place: nothing", line(size=0), "line 1: expected a whole number from 1"),
    unreadable("place: a block too far", line(offset=1024), "holds no member at byte 512"),
    unreadable("place: too short", line(size=9), "holds '000000000.png' of .* bytes where the index says"),
    unreadable("place: that of another image", place_of_the_second, "holds '000000001.png' of .* bytes where"),
    ("place: another key", line(key=77),
     Refused(f"{SHARD}/000000077.png", "unreadable-image", "holds '000000000.png' of .* bytes where", opened=True)),
    unreadable("member: leads out of a folder", header("../../secret.png"), r"holds '\.\./\.\./secret\.png'"),
    unreadable("member: a symbolic link", header("000000000.png", tarfile.SYMTYPE, linkname="/etc/hostname"), "holds"),
    unreadable("member: a hard link", header("000000000.png", tarfile.LNKTYPE, linkname="000000001.png"), "holds"),
    unreadable("member: a device", header("000000000.png", tarfile.CHRTYPE), "holds"),
    unreadable("member: no header", bytes_changed(0, bytes(BLOCK)), "holds no member at byte 0"),
    unreadable("member: a damaged header", bytes_changed(3, b"7"), "holds no member at byte 0"),
    unreadable("member: no image", bytes_changed(BLOCK, bytes(40)), "cannot be recognised as an image"),
]  # fmt: skip

CASES = [*INDEX, *PLACES]
