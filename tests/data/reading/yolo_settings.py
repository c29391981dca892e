"""A YOLO data set whose settings file a test writes."""

from __future__ import annotations

from pathlib import Path

from tests.data.layouts import write_yolo

SETTINGS = "train: images/train\nval: images/val\ntest: images/test\n"
NAMES = "names: [ant, bee, cow]\n"


def with_settings(root: Path, settings: str | bytes) -> Path:
    """The good data set, with another data.yaml."""
    write_yolo(root)
    (root / "data.yaml").write_bytes(settings if isinstance(settings, bytes) else settings.encode())
    return root
