from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from tests.data.layouts import write_coco, write_voc, write_yolo
from tests.data.shards.same_data import assert_same, sharded
from torch.utils.data import DataLoader

from torchghm.data import (
    DataError,
    DetectionDataset,
    ImageError,
    check_data,
    collate,
    load_data,
)


def test_shards_that_lie_elsewhere(tmp_path):
    root = write_voc(tmp_path / "data")
    out = sharded(root, tmp_path / "shards")
    (tmp_path / "mounted").mkdir()
    for shard in out.glob("*.tar"):
        shard.rename(tmp_path / "mounted" / shard.name)
    with pytest.raises(DataError, match=r"train\.jsonl: unusable-shard: line 1: there is no shard 'train-000000\.tar'"):
        load_data(out)
    assert_same(load_data(out, shards_at=str(tmp_path / "mounted")), load_data(root))
    with pytest.raises(ValueError, match="`shards_at` for a folder of shards only, but got voc data"):
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
    with pytest.raises(ImageError, match=r"train-000000\.tar/000000000\.png.*bytes of the shard, but got"):
        read(f"{server.url}/whole")
    server.files.clear()
    with pytest.raises(ImageError, match=rf"train-000000\.tar/000000000\.png.*does not exist.*{server.url}"):
        read(server.url)
