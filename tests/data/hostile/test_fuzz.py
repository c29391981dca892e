"""Damage that nobody thought of: bytes and values of every kind of file, for a bounded number of examples.

`FUZZ_EXAMPLES=5000 pytest tests/data/hostile/test_fuzz.py` tries more of them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.hostile import damage
from tests.data.hostile.outcomes import GOOD
from tests.data.layouts import CLASSES, SAMPLES, write_coco, write_image, write_voc, write_yolo

from torchghm.data import DataError, DetectionData, ImageError, check_data, load_data, read_image, write_shards

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
bounded = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def write_shards_of_voc(root: Path) -> Path:
    return write_shards(load_data(write_voc(root.with_name("folder"))), root)


def write_coco_by_split(root: Path) -> Path:
    """COCO under other names: train/labels.json and train/data/."""
    write_coco(root, year="")
    for file in (root / "annotations").iterdir():
        split = file.stem.removeprefix("instances_")
        (root / split).rename(root / "data")
        (root / split).mkdir()
        (root / "data").rename(root / split / "data")
        file.rename(root / split / "labels.json")
    (root / "annotations").rmdir()
    return root


def write_voc_beside(root: Path) -> Path:
    """XML files beside the images of each split."""
    write_voc(root)
    for sample in SAMPLES:
        (root / sample.split).mkdir(exist_ok=True)
        (root / "Annotations" / f"{sample.stem}.xml").rename(root / sample.split / f"{sample.stem}.xml")
        (root / "JPEGImages" / sample.name).rename(root / sample.split / sample.name)
    for folder in ("Annotations", "JPEGImages", "ImageSets"):
        shutil.rmtree(root / folder)
    return root


def write_darknet(root: Path) -> Path:
    write_yolo(root)
    (root / "data.yaml").unlink()
    (root / "obj.names").write_text("ant\nbee\ncow\n")
    (root / "obj.data").write_text(
        "classes = 3\ntrain = x/train.txt\nvalid = x/val.txt\ntest = test.txt\nnames = obj.names\n"
    )
    for split in ("train", "val", "test"):
        names = [f"images/{split}/{sample.name}\n" for sample in SAMPLES if sample.split == split]
        (root / f"{split}.txt").write_text("".join(names))
    return root


def write_class_list(root: Path) -> Path:
    write_yolo(root)
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("ant\nbee\ncow\n")
    return root


def write_tables(root: Path) -> Path:
    for split in ("train", "val", "test"):
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
        for sample in (sample for sample in SAMPLES if sample.split == split):
            write_image(root / split / sample.name, sample.width, sample.height)
            size = (sample.width, sample.height)
            objects = zip(sample.labels, sample.boxes, strict=True)
            lines += [",".join(map(str, (sample.name, *size, CLASSES[label], *box))) for label, box in objects]
            if not sample.boxes:
                lines.append(f"{sample.name},{sample.width},{sample.height},,,,,")
        (root / split / "_annotations.csv").write_text("\n".join(lines) + "\n")
    return root


def write_open_images(root: Path) -> Path:
    for split in ("train", "val", "test"):
        lines = ["ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf"]
        for sample in (sample for sample in SAMPLES if sample.split == split):
            write_image(root / split / sample.name, sample.width, sample.height)
            for label, (x1, y1, x2, y2) in zip(sample.labels, sample.boxes, strict=True):
                across, down = (x1 / sample.width, x2 / sample.width), (y1 / sample.height, y2 / sample.height)
                row = (Path(sample.name).stem, "xclick", CLASSES[label], 1, *across, *down, 0, 0, 0)
                lines.append(",".join(map(str, row)))
        (root / f"{split}-annotations-bbox.csv").write_text("\n".join(lines) + "\n")
    return root


def write_metadata(root: Path) -> Path:
    for split in ("train", "val", "test"):
        lines = []
        for sample in (sample for sample in SAMPLES if sample.split == split):
            write_image(root / split / sample.name, sample.width, sample.height)
            boxes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in sample.boxes]
            objects = {"bbox": boxes, "categories": [CLASSES[label] for label in sample.labels]}
            lines.append(json.dumps({"file_name": sample.name, "objects": objects}))
        (root / split / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return root


def converted(layout: str) -> Callable[[Path], Path]:
    """Return a maker of the layout as globox writes it, of the same images."""

    def write(root: Path) -> Path:
        from globox import Annotation, AnnotationSet, BoundingBox

        for split in ("train", "val", "test"):
            images = AnnotationSet()
            for sample in (sample for sample in SAMPLES if sample.split == split):
                write_image(root / split / sample.name, sample.width, sample.height)
                objects = zip(sample.labels, sample.boxes, strict=True)
                boxes = [BoundingBox.create(label=CLASSES[label], coords=box) for label, box in objects]
                images.add(Annotation(sample.name, (sample.width, sample.height), boxes))
            if layout == "cvat":
                images.save_cvat(root / split / "annotations.xml")
            elif layout == "via":
                images.save_via_json(root / split / "via.json", image_folder=root / split)
            else:
                images.save_labelme(root / split)
        return root

    return write


Write = Callable[[Path], Path]
# What is written, which file is damaged and how else than in its bytes, and the images that have nothing to do with it.
FILES: dict[str, tuple[Write, str, st.SearchStrategy[damage.Damage], str]] = {
    "coco": (write_coco, "annotations/instances_train2017.json", damage.to_json(), "d e"),
    "voc": (write_voc, "Annotations/a.xml", damage.to_xml(), "b c d e"),
    "voc list": (write_voc, "ImageSets/Main/train.txt", damage.to_words(), "d e"),
    "yolo": (write_yolo, "data.yaml", damage.to_words(), ""),
    "yolo labels": (write_yolo, "labels/train/a.txt", damage.to_words(), "b c d e"),
    "coco by split": (write_coco_by_split, "train/labels.json", damage.to_json(), "d e"),
    "voc beside": (write_voc_beside, "train/a.xml", damage.to_xml(), "b c d e"),
    "darknet": (write_darknet, "obj.data", damage.to_words(), ""),
    "darknet names": (write_darknet, "obj.names", damage.to_words(), ""),
    "darknet list": (write_darknet, "train.txt", damage.to_words(), ""),
    "class list": (write_class_list, "classes.txt", damage.to_words(), ""),
    "labels of a class list": (write_class_list, "labels/train/a.txt", damage.to_words(), "b c d e"),
    "csv": (write_tables, "train/_annotations.csv", damage.to_words(), ""),
    "open images": (write_open_images, "train-annotations-bbox.csv", damage.to_words(), ""),
    "imagefolder": (write_metadata, "train/metadata.jsonl", damage.to_json(lines=True), "d e"),
    "cvat": (converted("cvat"), "train/annotations.xml", damage.to_xml(), "d e"),
    "labelme": (converted("labelme"), "train/a.json", damage.to_json(), "b c d e"),
    "via": (converted("via"), "train/via.json", damage.to_json(), "d e"),
    "shards": (write_shards_of_voc, "shards.json", damage.to_json(), ""),
    "shards of a split": (write_shards_of_voc, "train.jsonl", damage.to_json(lines=True), "d e"),
}


@pytest.mark.parametrize("kind", FILES)
def test_damaged_annotations(kind, tmp_path_factory):
    write, name, to_values, unconcerned = FILES[kind]
    root = write(tmp_path_factory.mktemp("fuzz") / "data")
    good = (root / name).read_bytes()

    @bounded
    @given(harm=st.one_of(damage.to_bytes(), to_values))
    def run(harm: damage.Damage) -> None:
        (root / name).write_bytes(harm(good))
        check = check_data(root, open_images=False)
        assert all(problem.file and problem.detail for problem in check.problems)
        if any(problem.fatal and problem.what != "not-trainable" for problem in check.problems):
            with pytest.raises(DataError):
                load_data(root)
        else:
            assert_sound(load_data(root), root, unconcerned.split())

    run()


def assert_sound(data: DetectionData, root: Path, unconcerned: list[str]) -> None:
    """Check that all can be learned from, and that what was not damaged is what it was."""
    for records in data.splits.values():
        for record in records:
            assert (root / record.path).resolve().is_relative_to(root.resolve())
            assert (record.boxes[:, 2:] > record.boxes[:, :2]).all()
            assert (record.boxes >= 0).all()
            assert (record.boxes <= np.tile([record.width, record.height], 2)).all()
            assert (record.labels >= 0).all()
            assert (record.labels < len(data.classes)).all()
            if record.path.stem in unconcerned:
                width, height, objects = GOOD[record.path.name]
                assert (record.width, record.height) == (width, height)
                assert [data.classes[label] for label in record.labels] == [class_name for class_name, _ in objects]
                boxes = np.reshape([box for _, box in objects], (-1, 4))
                np.testing.assert_allclose(record.boxes, boxes, atol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_damaged_index_never_gives_another_image(tmp_path_factory):
    folder = write_coco(tmp_path_factory.mktemp("fuzz") / "folder")
    for shade, name in enumerate("abc"):  # of one size: pixels alone tell them apart
        Image.new("L", (40, 30), shade).save(folder / "train2017" / f"{name}.png")
    root = write_shards(load_data(folder), folder.with_name("data"))
    lines = [json.loads(line) for line in (root / "train.jsonl").read_text().splitlines()]
    plausible = st.integers(-1, 200) | st.integers(0, 12).map(lambda blocks: 512 * blocks)
    change = st.tuples(st.integers(0, 2), st.sampled_from(["key", "offset", "size", "width"]), plausible)

    @bounded
    @given(changes=st.lists(change, min_size=1, max_size=4))
    def run(changes: list[tuple[int, str, int]]) -> None:
        changed = deepcopy(lines)
        for index, key, value in changes:
            changed[index][key] = value
        (root / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
        try:
            records = load_data(root).splits["train"]
        except DataError:
            return
        for index, record in enumerate(records):
            with suppress(ImageError):
                pixels = read_image(record.source, (record.width, record.height))
                assert pixels.min() == pixels.max() == changed[index]["key"]

    run()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_damaged_shard_is_named(tmp_path_factory):
    root = write_shards_of_voc(tmp_path_factory.mktemp("fuzz") / "data")
    shard = root / "train-000000.tar"
    good = shard.read_bytes()

    @bounded
    @given(harm=damage.to_bytes())
    def run(harm: damage.Damage) -> None:
        shard.write_bytes(harm(good))
        for problem in check_data(root).problems:
            assert problem.what in ("unusable-shard", "unreadable-image", "size-mismatch")
            assert shard.name in problem.file + problem.detail

    run()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm", "jp2"])
@bounded
@given(harm=damage.to_bytes())
def test_damaged_images(suffix, harm):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x.{suffix}")
        pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        path.write_bytes(harm(path.read_bytes()))
        try:
            image = read_image(path)
        except ImageError as error:
            named = path.name in str(error)
        else:
            named = image.dtype == np.uint8 and image.shape == (*image.shape[:2], 3)
        assert named
