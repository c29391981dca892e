"""``python -m benchmarks.data_check FOLDER [--images N]``: time and memory of `data check` on large data sets.

Makes a COCO, a YOLO and a VOC data set of N images with seven objects each in FOLDER, unless they are there, and checks
each in a process of its own without opening images.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

LAYOUTS = ("coco", "yolo", "voc")
WIDTH, HEIGHT = 640, 480
CLASSES = 5
OBJECTS = 7
LINKS_OF_A_FILE = 50_000  # file systems allow some 65,000 names of one file
MEASURE = """
import resource, sys, time
from torchghm.data import check_data
start = time.process_time()
found = check_data(sys.argv[1], open_images=False)
seconds = time.process_time() - start
assert found.usable, found.problems
print(f"{seconds:.1f} s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
"""


class Object(NamedTuple):
    """A class index and a box in pixels."""

    label: int
    left: float
    top: float
    width: float
    height: float


def main() -> None:
    """Print a line a layout: processor time of the check, and the process's peak memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_check", description=__doc__)
    parser.add_argument("folder", type=Path, help="for the data sets; 100,000 images take 1.5 GB of small files")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--layouts", default=",".join(LAYOUTS), help="some of coco,yolo,voc")
    arguments = parser.parse_args()
    for layout in arguments.layouts.split(","):
        root = arguments.folder / layout
        if not root.exists():
            write(root, layout, arguments.images)
        done = subprocess.run([sys.executable, "-c", MEASURE, str(root)], check=True, capture_output=True, text=True)
        print(f"{layout}: {done.stdout.strip()}", flush=True)


def write(root: Path, layout: str, images: int) -> None:
    """Write a data set of random boxes; nine tenths of the images are for training. Every image is the same file."""
    root.mkdir(parents=True)
    names = list(range(images))
    splits = {"train": names[: images * 9 // 10], "val": names[images * 9 // 10 :]}
    {"coco": _write_coco, "yolo": _write_yolo, "voc": _write_voc}[layout](root, splits)


def _objects(images: list[int]) -> Iterator[tuple[int, list[Object]]]:
    rng = random.Random(images[0])
    for image in images:
        yield (
            image,
            [
                Object(
                    rng.randrange(CLASSES),
                    rng.uniform(0, 500),
                    rng.uniform(0, 400),
                    rng.uniform(5, 130),
                    rng.uniform(5, 70),
                )
                for _ in range(OBJECTS)
            ],
        )


def _link_image(root: Path, place: Path, image: int) -> None:
    source = root.parent / f"image-{image // LINKS_OF_A_FILE}-{root.name}.jpg"
    if not source.exists():
        Image.new("RGB", (WIDTH, HEIGHT)).save(source)
    os.link(source, place)


def _write_coco(root: Path, splits: dict[str, list[int]]) -> None:
    (root / "annotations").mkdir()
    for split, images in splits.items():
        (root / split).mkdir()
        annotations: list[dict[str, object]] = []
        for image, objects in _objects(images):
            _link_image(root, root / split / f"{image}.jpg", image)
            for one in objects:
                annotations.append({
                    "id": len(annotations) + 1, "image_id": image + 1, "category_id": one.label + 1,
                    "bbox": one[1:], "area": one.width * one.height, "iscrowd": 0,
                })  # fmt: skip
        content = {
            "images": [{"id": i + 1, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in images],
            "annotations": annotations,
            "categories": [{"id": label + 1, "name": f"class {label}"} for label in range(CLASSES)],
        }
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def _write_yolo(root: Path, splits: dict[str, list[int]]) -> None:
    for split, images in splits.items():
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for image, objects in _objects(images):
            _link_image(root, root / "images" / split / f"{image}.jpg", image)
            lines = [
                f"{one.label} {(one.left + one.width / 2) / WIDTH:.6f} {(one.top + one.height / 2) / HEIGHT:.6f} "
                f"{one.width / WIDTH:.6f} {one.height / HEIGHT:.6f}\n"
                for one in objects
            ]
            (root / "labels" / split / f"{image}.txt").write_text("".join(lines))
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [a, b, c, d, e]\n")


def _write_voc(root: Path, splits: dict[str, list[int]]) -> None:
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, images in splits.items():
        for image, objects in _objects(images):
            _link_image(root, root / "JPEGImages" / f"{image}.jpg", image)
            boxes = [
                f"<object><name>class {one.label}</name><difficult>0</difficult><bndbox>"
                f"<xmin>{int(one.left) + 1}</xmin><xmax>{int(one.left + one.width) + 1}</xmax>"
                f"<ymin>{int(one.top) + 1}</ymin><ymax>{int(one.top + one.height) + 1}</ymax></bndbox></object>"
                for one in objects
            ]
            size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
            content = f"<annotation><filename>{image}.jpg</filename>{size}{''.join(boxes)}</annotation>"
            (root / "Annotations" / f"{image}.xml").write_text(content)
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(map(str, images)))


if __name__ == "__main__":
    main()
