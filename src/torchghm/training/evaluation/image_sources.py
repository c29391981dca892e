"""Images as a user names them: files, folders, patterns and videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchghm.data import ImageError, read_image
from torchghm.data.folders.file_names import is_hidden
from torchghm.data.images import SUFFIXES

VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""Suffixes of files of which every frame is an image."""


def image_files(images: Sequence[str | Path]) -> list[Path]:
    """Return the image and video files of paths: files, all in a folder, or those that a pattern (``*``) fits.

    Raises:
        FileNotFoundError: a path that is neither a file nor a folder, or a pattern that fits none.
        ValueError: there is no image at all.
    """
    files: list[Path] = []
    for path in map(Path, images):
        if path.is_dir():
            files += sorted(filter(_is_picture, path.iterdir()))
        elif path.exists():
            files.append(path)
        elif fitting := sorted(_fitting(path)):
            files += filter(_is_picture, fitting)
        else:
            raise FileNotFoundError(
                f"there is no image or folder {str(path)!r}: name images, videos, folders or a pattern"
            )
    if not files:
        places = ", ".join(map(str, images)) or "an empty list"
        raise ValueError(f"Expected argument `images` to name at least one image, but got none in {places}")
    return list(dict.fromkeys(files))


def _fitting(pattern: Path) -> Iterator[Path]:
    """Yield the files that a pattern fits."""
    start = Path(pattern.anchor)
    yield from start.glob(str(pattern.relative_to(start)) if pattern.anchor else str(pattern))


def _is_picture(file: Path) -> bool:
    """Return whether an entry of a folder is an image or a video: no folder, none of macOS's companions (._a.jpg)."""
    return file.suffix.lower() in (*SUFFIXES, *VIDEOS) and not is_hidden(file.name) and file.is_file()


def is_video(file: Path) -> bool:
    """Return whether a file is one of frames, by its name."""
    return file.suffix.lower() in VIDEOS


def pictures(file: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the RGB pixels `[height, width, 3]` of an image, or of every frame of a video, upright.

    Raises:
        ImageError: the file cannot be read.
        ModuleNotFoundError: it is a video, and PyAV is not installed.
    """
    if not is_video(file):
        yield read_image(file)
        return
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{str(file)!r} is a video; what reads it is not installed: pip install 'torchghm[video]'",
            name="av",
        ) from error
    try:
        with av.open(str(file)) as container:
            for frame in container.decode(video=0):
                # A telephone held upright stores frames that lie on their side, and by how much to turn them.
                turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                yield np.ascontiguousarray(turned, np.uint8)
    except (av.error.FFmpegError, IndexError) as error:
        raise ImageError(f"is not a video that can be read: {error}", file) from error
