"""`torchghm data shards`: a data set as tar shards, each image once and byte for byte."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

from torchghm.data.load import DetectionData
from torchghm.data.new_folder import new_folder
from torchghm.data.records import ImageRecord, Records
from torchghm.data.shards.shard_members import BLOCK, LARGEST_IMAGE, member_name
from torchghm.data.shards.shard_reading import FORMAT, INDEX_FILE

MEBIBYTE = 2**20


def write_shards(data: DetectionData, out: str | os.PathLike[str], *, size: int = 256, overwrite: bool = False) -> Path:
    """Write a data set as tar shards in WebDataset's layout, with an index by which `load_data` reads them.

    Images are copied as they are, unopened; those that several splits share are stored once. The same data give
    the same bytes.

    Arguments:
        data: read with `val_fraction=0, test_fraction=0`, splits that it does not have are later taken from the
            shards as from the folder; else they are stored as they were taken.
        out: the folder to make; there must be none, or an empty one.
        size: of a shard, in MiB, at least 1; a larger image has a shard of its own.
        overwrite: replace the shards that the folder holds. A folder of anything else is never replaced.

    Returns:
        The folder: `shards.json`, and for each split `<split>.jsonl` and `<split>-000000.tar`, ...

    Raises:
        ValueError: an argument out of its range, or an image of more than 1 GiB.
        FileExistsError: the folder is there and may not be replaced.
        OSError: an image cannot be read, or the disk is full; nothing is left then.

    Examples:
        >>> data = load_data("scenes", val_fraction=0, test_fraction=0)  # doctest: +SKIP
        >>> write_shards(data, "shards")  # doctest: +SKIP
        PosixPath('shards')
    """
    if size < 1:
        raise ValueError(f"Expected argument `size` to be at least 1 (MiB), but got {size}")
    out = Path(out)
    with new_folder(out, INDEX_FILE, "shards", overwrite=overwrite) as made:
        stored: dict[str, dict[str, Any]] = {}
        files: dict[str, str] = {}
        for split, records in data.splits.items():
            stem = _file_stem(split, len(files))
            files[split] = f"{stem}.jsonl"
            _write_split(made, stem, records, stored, size * MEBIBYTE)
        index = {"format": FORMAT, "classes": data.classes, "splits": files}
        (made / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return out


def _write_split(folder: Path, stem: str, records: Records, stored: dict[str, dict[str, Any]], size: int) -> None:
    """Write the index of a split, and shards of those of its images that are not stored yet."""
    with _ShardWriter(folder, stem, size, len(stored)) as shards, (folder / f"{stem}.jsonl").open("x") as index:
        for position, record in enumerate(records):
            name = records.name(position)
            sample = _sample(record, name)
            if name not in stored:
                stored[name] = shards.add(_content(record), name, sample)
            index.write(_line(sample | stored[name]))


class _ShardWriter:
    """Tar files of one split, a new one when the last is full."""

    def __init__(self, folder: Path, stem: str, size: int, first_key: int) -> None:
        self.folder, self.stem, self.size, self.key = folder, stem, size, first_key
        self.shards = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> _ShardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def add(self, content: bytes, name: str, sample: dict[str, Any]) -> dict[str, Any]:
        """Store an image and its objects, and return where the image lies."""
        if self._file is not None and self._file.tell() + len(content) > self.size:
            self._close()
        if self._file is None:
            self._name = f"{self.stem}-{self.shards:06d}.tar"
            self._file = (self.folder / self._name).open("xb")
            self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self.shards += 1
        member = member_name(self.key, name)
        place = {"shard": self._name, "key": self.key, "offset": self._file.tell() + BLOCK, "size": len(content)}
        self._add(member, content)
        self._add(f"{self.key:09d}.json", _line(sample).encode())
        self.key += 1
        return place

    def _add(self, name: str, content: bytes) -> None:
        header = tarfile.TarInfo(name)
        header.size = len(content)
        self._tar.addfile(header, io.BytesIO(content))

    def _close(self) -> None:
        if self._file is not None:
            self._tar.close()
            self._file.close()
            self._file = None


def _sample(record: ImageRecord, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image_id": record.image_id,
        "width": record.width,
        "height": record.height,
        "boxes": record.boxes.tolist(),
        "labels": record.labels.tolist(),
        "crowd": record.crowd.tolist(),
        "area": record.area.tolist(),
    }


def _content(record: ImageRecord) -> bytes:
    source = record.source
    size = source.stat().st_size if isinstance(source, Path) else source.size
    if not 0 < size <= LARGEST_IMAGE:
        raise ValueError(f"the image {str(record.path)!r} has {size} bytes, expected 1 to {LARGEST_IMAGE}")
    return source.read_bytes() if isinstance(source, Path) else source.read()


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


def _file_stem(split: str, number: int) -> str:
    """Return a split's name as part of a file name and of a URL, whatever the data call it."""
    return split if re.fullmatch(r"[A-Za-z0-9_-]+", split) else f"split{number}"
