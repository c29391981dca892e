"""YOLO files that are broken, and what becomes of them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from tests.data.hostile.outcomes import GOOD, Case, Harm, Loads, Refused

FILE = "data.yaml"
LABELS = "labels/train/b.txt"
SETTINGS = "train: images/train\nval: images/val\ntest: images/test\n"
NAMES = "names: [ant, bee, cow]\n"
WIDTH, HEIGHT, _ = GOOD["b.png"]
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{inner}'] * 9)}]\n" for name, inner in zip("bcdefghij", "abcdefghi", strict=True)
)


def content(data: str | bytes, file: str) -> Harm:
    def harm(root: Path) -> None:
        (root / file).write_bytes(data if isinstance(data, bytes) else data.encode())

    return harm


def link(name: str, target: str) -> Harm:
    """A symbolic link of this name to something beside the data folder."""

    def harm(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(root.parent / target)

    return harm


def linked_folder(root: Path) -> None:
    (root / "images" / "train").rename(root.parent / "moved")
    (root / "images" / "train").symlink_to(root.parent / "moved", target_is_directory=True)


def loops(root: Path) -> None:
    (root / "images" / "train" / "loop").symlink_to(root / "images", target_is_directory=True)
    (root / "images" / "train" / "self.png").symlink_to(root / "images" / "train" / "self.png")


def two_spellings(root: Path) -> None:
    """An accented letter as one code point in the labels' name, as two in the image's."""
    name = "K\u00e4fer \u7532\u866b"
    for file, form in ((root / "images" / "train" / "b.png", "NFD"), (root / LABELS, "NFC")):
        file.rename(file.with_name(unicodedata.normalize(form, name) + file.suffix))


def bytes_that_are_no_text(root: Path) -> None:
    """File names in Latin-1, as an old archive unpacks them."""
    folder = os.fsencode(root)
    os.rename(folder + b"/images/train/b.png", folder + b"/images/train/\xe4.png")  # noqa: PTH104
    os.rename(folder + b"/labels/train/b.txt", folder + b"/labels/train/\xe4.txt")  # noqa: PTH104


def settings(text: str | bytes) -> Harm:
    return content(text, FILE)


def malformed(text: str | bytes, words: str) -> Case:
    return (f"settings {text[:40]!r}", settings(text), Refused(FILE, "malformed-annotations", words))


def dropped(line: str, what: str) -> Case:
    return (
        f"line {line!r}",
        content(f"\n1 0.5 0.5 0.5 0.5\n{line}\n", LABELS),
        Loads({"b.png": (WIDTH, HEIGHT, [("bee", [10, 7.5, 30, 22.5])])}, {what: 1}),
    )


def repaired(line: str, what: str) -> Case:
    objects = [("bee", [10, 7.5, 30, 22.5]), ("ant", [0, 12, 20, 18])]
    return (
        f"line {line!r}",
        content(f"\n1 0.5 0.5 0.5 0.5\n{line}\n", LABELS),
        Loads({"b.png": (WIDTH, HEIGHT, objects)}, {what: 1}),
    )


A_LIST = "expected a list of class names under the key 'names'"
PLACES = "expected a folder, a file or a list of them under the key 'train'"
SETTINGS_CASES: list[Case] = [
    malformed("", "expected the keys train, val and names, but got NoneType"),
    malformed("- a\n- b\n", "expected the keys train, val and names, but got list"),
    malformed("train: [unclosed\n", "is not YAML"),
    malformed("train: \t@x\n", "is not YAML"),
    malformed(b"names: [\xff\xfe]\n", "is not text in UTF-8"),
    ("UTF-16 that says so", settings((SETTINGS + NAMES).encode("utf-16")), Loads()),
    malformed((SETTINGS + NAMES).encode("utf-16-le")[:-1], "is not YAML"),
    malformed("a: !!python/object/apply:os.system [id]\n", A_LIST),
    malformed("[" * 2_000, "is not YAML"),
    malformed(SETTINGS, A_LIST),
    malformed(SETTINGS + "names: ant\n", A_LIST),
    malformed(SETTINGS + "names: []\n", A_LIST),
    malformed(SETTINGS + "names: [[ant], bee]\n", A_LIST),
    malformed(SETTINGS + "names: {0: ant, 2: bee}\n", "expected the numbers 0, 1, 2"),
    malformed(SETTINGS + "names: [ant, ant]\n", "one of them twice"),
    malformed(SETTINGS + NAMES + "nc: 80\n", "expected 3, the number of 'names', under the key 'nc', but got '80'"),
    malformed(NAMES, "expected images under the key 'train', but got none"),
    malformed(NAMES + "train: gone\n", "under 'train', but got 'gone'"),
    malformed(NAMES + "train: {a: b}\n", PLACES),
    malformed(NAMES + "train: [[a]]\n", PLACES),
    ("two levels up", settings(NAMES + "train: ../../outside\n"),
     Refused(FILE, "path-outside", "under 'train': '../outside' leads out")),
    ("an absolute folder", settings(NAMES + "train: /etc\n"),
     Refused(FILE, "path-outside", "under 'train': '/etc' leads out")),
    malformed(NAMES + 'train: "a\\0b"\n', "under 'train', but got"),
    malformed("a: &a x\n" * 200_000, "more than 524288"),
    malformed(BOMB + SETTINGS + "names: *j\n", "expected"),
    malformed(BOMB + SETTINGS + NAMES + "nc: *j\n", "expected"),
    malformed(BOMB + NAMES + "train: *j\n", "expected"),
    ("a bomb as path", settings(BOMB + SETTINGS + NAMES + "path: *j\n"), Loads()),
    ("labels that are a link out of the folder", link("labels/train/c.txt", "secret.txt"),
     Refused("labels/train/c.txt", "path-outside", "symbolic link")),
    ("an image that is a link out of the folder", link("images/train/z.png", "secret.png"),
     Refused(FILE, "path-outside", r"images/train/z\.png")),
    ("a folder of images that is a link out of the folder", linked_folder,
     Refused(FILE, "path-outside", "under 'train': 'images/train' is a symbolic link that leads out")),
    ("loops of links", loops, Refused(FILE, "missing-image", r"1 of 'train': .*self\.png")),
    ("a name in two spellings", two_spellings,
     Loads({"b.png": None, unicodedata.normalize("NFD", "K\u00e4fer \u7532\u866b.png"): GOOD["b.png"]})),
    ("a name of bytes that are no text", bytes_that_are_no_text, Loads({"b.png": None, "\udce4.png": GOOD["b.png"]})),
]  # fmt: skip

LABELS_CASES: list[Case] = [
    dropped("0 0.5 0.5 0 0.5", "box-without-area"),
    dropped("0 0.5 0.5 0.5 0.0000001", "box-without-area"),
    dropped("0 nan 0.5 0.5 0.5", "box-not-finite"),
    dropped("0 20 15 10 10", "box-not-normalised"),
    dropped("0 0.5 0.5 -0.5 0.5", "box-not-normalised"),
    dropped("0 -0.2 0.5 0.1 0.5", "box-not-normalised"),
    dropped("0 inf 0.5 0.1 0.5", "box-not-normalised"),
    dropped("0 0.5 0.5 1.2 0.5", "box-not-normalised"),
    dropped("0 1e300 1e300 1e300 1e300", "box-not-normalised"),
    dropped("0 1.005 0.5 0.002 0.5", "box-outside"),
    dropped("0 0.5 0.5 0.5", "line-of-unknown-columns"),
    dropped("0 0.5 0.5 0.5 0.5 9.9", "line-of-unknown-columns"),
    dropped("0 a b c d", "line-not-numbers"),
    dropped("gnu 0.5 0.5 0.5 0.5", "line-not-numbers"),
    dropped("0 0.5 0.5 0.2_5 0.5", "line-not-numbers"),
    repaired("0 0.25 0.5 0.5 0.2 0.9", "columns-told"),
    repaired("ant 0.25 0.5 0.5 0.2", "line-in-other-form"),
    repaired("0,0.25,0.5,0.5,0.2", "line-in-other-form"),
    repaired("0 0,25 0,5 0,5 0,2", "line-in-other-form"),
    repaired("'Ant' 0.25;0.5;0.5;0.2", "line-in-other-form"),
    ("rounded coordinates", content("0 0.5 0.5 1.0000001 1.0\n1 0.995 0.5 0.1 1.0\n", LABELS),
     Loads({"b.png": (WIDTH, HEIGHT, [("ant", [0, 0, 40, 30]), ("bee", [37.8, 0, 40, 30])])}, {"box-clipped": 1})),
    ("a polygon", content("2 0.25 0.5 0.5 0.2 0.75 0.9\n", LABELS),
     Loads({"b.png": (WIDTH, HEIGHT, [("cow", [10, 6, 30, 27])])})),
    ("lines of Windows and a byte order mark", content(b"\xef\xbb\xbf1 0.5 0.5 1 1\r\n\r\n", LABELS), Loads()),
    *((f"class {label}", content(f"{label} 0.5 0.5 0.5 0.5\n", LABELS),
       Refused(LABELS, "unknown-category", f"1: line 1 has class {label} of 3"))
      for label in ("3", "-1", "1.5", "nan", "1e300")),
    *((f"labels {data!r}", content(data, LABELS), Refused(LABELS, "malformed-annotations", "is not text in UTF-8"))
      for data in (b"\xff\xfe0\x000", b"\x89PNG\r\n\xff")),
    ("labels in UTF-16 that say so", content("1 0.5 0.5 1 1\n".encode("utf-16"), LABELS), Loads()),
    ("an enormous file of labels", content(b"0 0.5 0.5 0.5 0.5\n" * 10**6, LABELS),
     Refused(LABELS, "malformed-annotations", "has 18000000 bytes")),
]  # fmt: skip

CASES = [*SETTINGS_CASES, *LABELS_CASES]
