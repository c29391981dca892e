from __future__ import annotations

import json
import pickle
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.layouts import SAMPLES, Sample, coco_instances, write_coco, write_exported_coco, write_voc, write_yolo
from torch.utils.data import DataLoader

from torchghm.data import (
    DataError,
    DetectionData,
    DetectionDataset,
    ImageError,
    check_data,
    collate,
    load_data,
    write_shards,
)

COLUMNS = ("widths", "heights", "image_ids", "offsets", "boxes", "labels", "crowd", "area")


def sharded(root: Path, out: Path, **options: object) -> Path:
    return write_shards(load_data(root, val_fraction=0, test_fraction=0), out, **options)


def assert_same(shards: DetectionData, folder: DetectionData) -> None:
    """The same classes, splits and problems, and of every image the same name, numbers and pixels."""
    assert shards.classes == folder.classes
    assert list(shards.splits) == list(folder.splits)
    for split, expected in folder.splits.items():
        records = shards.splits[split]
        assert records.names() == expected.names()
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(records, column), getattr(expected, column), column)
        items, expected_items = DetectionDataset(records, shards.classes), DetectionDataset(expected, folder.classes)
        for index in range(len(expected)):
            (image, target), (expected_image, expected_target) = items[index], expected_items[index]
            assert torch.equal(image, expected_image)
            assert list(target) == list(expected_target)
            assert all(np.array_equal(target[key], expected_target[key]) for key in target)


@pytest.mark.parametrize("write", [write_coco, write_exported_coco, write_voc, write_yolo])
def test_shards_are_the_same_data_as_the_folder(tmp_path, write):
    root = write(tmp_path / "data")
    data = load_data(sharded(root, tmp_path / "shards"))
    assert data.layout == "shards"
    assert data.problems == ()
    assert_same(data, load_data(root))
    assert data.select("train,test")[3].source.read() == load_data(root).select("train,test")[3].path.read_bytes()


def test_ids_crowds_and_areas_are_the_same(tmp_path):
    annotations = coco_instances(SAMPLES[:3])["annotations"]
    annotations[0] |= {"iscrowd": 1, "area": 12.3}
    annotations[1]["bbox"] = [1 / 3, 0.1, 20 / 7, 0.0101]  # numbers that no decimal writes, and a very thin box
    images = [entry | {"id": entry["id"] - 40} for entry in coco_instances(SAMPLES[:3])["images"]]
    annotations = [entry | {"image_id": entry["image_id"] - 40} for entry in annotations]
    root = write_coco(tmp_path / "data", annotations=annotations, images=images)
    assert_same(load_data(sharded(root, tmp_path / "shards")), load_data(root))


@pytest.mark.parametrize("fractions", [{}, {"val_fraction": 0.3, "test_fraction": 0.2, "split_seed": 7}])
def test_splits_that_are_taken_by_seed_are_the_same(tmp_path, fractions):
    many = tuple(Sample(f"{(7 * n) % 20}.png", "train", ((1, 1, 9, 9 + n),), (n % 3,)) for n in range(20))
    for name, root in {
        "voc": write_voc(tmp_path / "voc", many, lists=False),
        "coco": write_coco(tmp_path / "coco", (*many, *SAMPLES[4:])),
    }.items():
        assert_same(load_data(sharded(root, tmp_path / f"{name} shards"), **fractions), load_data(root, **fractions))


def test_an_image_of_several_splits_is_stored_once(tmp_path):
    root = write_voc(tmp_path / "data")
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\nc\nd\n")
    out = sharded(root, tmp_path / "shards")
    assert_same(load_data(out), load_data(root))
    assert sorted(path.name for path in out.iterdir()) == [
        "shards.json", "test-000000.tar", "test.jsonl", "train-000000.tar", "train.jsonl", "trainval.jsonl",
        "val-000000.tar", "val.jsonl",
    ]  # fmt: skip


def test_shards_of_shards_are_the_same_bytes(tmp_path):
    one = sharded(write_yolo(tmp_path / "data"), tmp_path / "one")
    two = sharded(one, tmp_path / "two")
    assert [path.name for path in sorted(one.iterdir())] == [path.name for path in sorted(two.iterdir())]
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def large_data(root: Path) -> Path:
    """Nine training images of some 0.4 MB."""
    samples = tuple(Sample(f"{n}.png", "train", ((1, 1, 9, 9 + n),), (0,), 400, 350) for n in range(9))
    write_coco(root, (*samples, *SAMPLES[3:]))
    rng = np.random.default_rng(0)
    for sample in samples:
        pixels = rng.integers(0, 256, (sample.height, sample.width, 3), np.uint8)
        Image.fromarray(pixels).save(root / "train2017" / sample.name, compress_level=0)
    return root


def test_a_shard_holds_no_more_than_its_size(tmp_path):
    root = large_data(tmp_path / "data")
    out = sharded(root, tmp_path / "shards", size=1)
    shards = sorted(out.glob("train-*.tar"))
    assert [shard.name for shard in shards] == [f"train-{number:06d}.tar" for number in range(5)]
    assert all(shard.stat().st_size < 2**20 for shard in shards)
    assert_same(load_data(out), load_data(root))
    assert check_data(out).problems == ()


def test_the_tars_are_webdatasets(tmp_path):
    """Samples are neighbours of one name up to the first point, whatever the images were called."""
    samples = (Sample("\u7532.\u866b.PNG", "train", ((1, 2, 11, 12),), (0,)), Sample("a.png", "train"), *SAMPLES[3:])
    out = sharded(write_coco(tmp_path / "data", samples), tmp_path / "shards")
    with tarfile.open(out / "train-000000.tar") as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [
            "000000000.png", "000000000.json", "000000001.png", "000000001.json",
        ]  # fmt: skip
        assert all(member.isreg() and member.mtime == 0 for member in members)
        assert json.load(tar.extractfile("000000000.json")) == {
            "name": "train2017/\u7532.\u866b.PNG", "image_id": 1, "width": 40, "height": 30,
            "boxes": [[1, 2, 11, 12]], "labels": [0], "crowd": [False], "area": [100],
        }  # fmt: skip
        with Image.open(tar.extractfile("000000001.png")) as image:
            assert image.size == (40, 30)
    assert json.loads((out / "shards.json").read_text())["classes"] == ["ant", "bee", "cow"]


def test_splits_of_odd_names_get_files_of_plain_ones(tmp_path):
    root = write_coco(tmp_path / "data")
    (root / "annotations" / "instances_test2017.json").rename(root / "annotations" / "instances_caf\u00e9 1.json")
    (root / "test2017").rename(root / "caf\u00e9 1")
    out = sharded(root, tmp_path / "shards")
    assert (out / "split2-000000.tar").is_file()
    assert_same(load_data(out), load_data(root))


def test_a_folder_of_shards_may_be_replaced_and_nothing_else(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    out = write_shards(data, tmp_path / "out" / "shards")
    with pytest.raises(FileExistsError, match="is not empty"):
        write_shards(data, out)
    before = (out / "train-000000.tar").stat().st_ino
    write_shards(data, out, overwrite=True)
    assert (out / "train-000000.tar").stat().st_ino != before
    with pytest.raises(FileExistsError, match=r"does not hold shards \(no shards\.json\)"):
        write_shards(data, data.root, overwrite=True)
    with pytest.raises(ValueError, match="`size` to be at least 1"):
        write_shards(data, tmp_path / "more", size=0)
    assert [path.name for path in out.parent.iterdir()] == ["shards"]


def test_an_image_that_is_gone_leaves_nothing_half_done(tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    data.splits["val"][0].path.unlink()
    with pytest.raises(FileNotFoundError, match=r"d\.png"):
        write_shards(data, tmp_path / "out" / "shards")
    assert list((tmp_path / "out").iterdir()) == []
    data.splits["val"][0].path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"d\.png' has 0 bytes"):
        write_shards(data, tmp_path / "out" / "shards")


def test_what_is_held_in_memory_is_a_few_numbers_an_image(tmp_path):
    out = sharded(write_coco(tmp_path / "data"), tmp_path / "shards")
    line = (out / "train.jsonl").read_text().splitlines()[0]
    count = 2000
    (out / "train.jsonl").write_text(f"{line}\n" * count)
    records = load_data(out).splits["train"]
    held = sum(array.nbytes for array in vars(records).values() if isinstance(array, np.ndarray))
    held += records.members.places.nbytes + len(records._names)
    boxes, name = len(json.loads(line)["boxes"]), len(json.loads(line)["name"])
    assert held <= count * (72 + name + 29 * boxes) + 16


def test_records_travel_to_worker_processes(tmp_path):
    records = load_data(sharded(write_coco(tmp_path / "data"), tmp_path / "shards")).splits["train"]
    assert pickle.loads(pickle.dumps(records[1:]))[0].source == records[1].source
    loader = DataLoader(DetectionDataset(records, ()), batch_size=2, num_workers=2, collate_fn=collate)
    assert [[target["image_id"] for target in targets] for _, targets in loader] == [[1, 2], [3]]


def test_shards_that_lie_elsewhere(tmp_path):
    root = write_voc(tmp_path / "data")
    out = sharded(root, tmp_path / "shards")
    (tmp_path / "mounted").mkdir()
    for shard in out.glob("*.tar"):
        shard.rename(tmp_path / "mounted" / shard.name)
    with pytest.raises(DataError, match=r"train\.jsonl: unusable-shard: line 1: there is no shard 'train-000000\.tar'"):
        load_data(out)
    assert_same(load_data(out, shards_at=str(tmp_path / "mounted")), load_data(root))
    with pytest.raises(ValueError, match="`shards_at` for a folder of shards only, got voc data"):
        load_data(root, shards_at=str(tmp_path / "mounted"))


@pytest.fixture
def server():
    """A web server of bytes by name, which notes what is asked for; "whole/..." ignores ranges, as some do."""
    files: dict[str, bytes] = {}
    asked: list[str] = []
    failing: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Range"])
            content = files.get(self.path.removeprefix("/whole/").removeprefix("/"))
            if failing:
                self.send_error(failing.pop())
                return
            if content is None:
                self.send_error(404)
                return
            status = 200
            if not self.path.startswith("/whole/"):
                first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
                content, status = content[first : last + 1], 206
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.failing = files, asked, failing
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_shards_on_a_server_are_read_image_by_image(tmp_path, server):
    root = write_yolo(tmp_path / "data")
    out = sharded(root, tmp_path / "shards")
    for shard in out.glob("*.tar"):
        server.files[shard.name] = shard.read_bytes()
        shard.unlink()
    data = load_data(out, shards_at=server.url + "/")
    assert server.asked == []  # nothing is fetched before an image is wanted
    assert_same(data, load_data(root))
    sizes = [record.path.stat().st_size for split in load_data(root).splits.values() for record in split]
    fetched = [int(last) - int(first) + 1 for first, last in (asked[6:].split("-") for asked in server.asked)]
    assert fetched == [size + 512 for size in sizes]
    # Connections of this process are not those of the workers.
    loader = DataLoader(DetectionDataset(data.splits["train"], ()), batch_size=3, num_workers=2, collate_fn=collate)
    assert [len(images) for images, _ in loader] == [3]
    assert check_data(out, shards_at=server.url).usable


def test_a_server_that_fails_is_named(tmp_path, server, monkeypatch):
    monkeypatch.setattr("torchghm.data.shards.shard_members.time.sleep", lambda seconds: None)
    out = sharded(write_coco(tmp_path / "data"), tmp_path / "shards")
    for shard in out.glob("*.tar"):
        server.files[shard.name] = shard.read_bytes()

    def read(url: str) -> torch.Tensor:
        data = load_data(out, shards_at=url)
        return DetectionDataset(data.splits["train"], data.classes)[0][0]

    server.failing[:] = [503, 503]  # and the third try succeeds
    assert read(server.url).shape == (3, 30, 40)
    server.failing[:] = [503, 503, 503]
    with pytest.raises(ImageError, match=rf"train-000000\.tar/000000000\.png.*{server.url}.*cannot be read.*503"):
        read(server.url)
    with pytest.raises(ImageError, match=r"train-000000\.tar/000000000\.png.*bytes of the shard, got"):
        read(f"{server.url}/whole")
    server.files.clear()
    with pytest.raises(ImageError, match=rf"train-000000\.tar/000000000\.png.*does not exist.*{server.url}"):
        read(server.url)
