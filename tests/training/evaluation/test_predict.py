import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.layouts import CLASSES, write_coco, write_image, write_yolo

from torchghm.atomic_files import WriteError
from torchghm.data import ImageError
from torchghm.training import predict


def test_drawn_images_and_coco_results(trained, tmp_path):
    write_image(tmp_path / "a" / "one.png", 90, 50)
    write_image(tmp_path / "b" / "one.png", 40, 80)
    found = predict(trained.folder.path, [tmp_path / "a", tmp_path / "b" / "one.png"], tmp_path / "out", threshold=0)
    out = found.folder
    assert sorted(path.name for path in out.iterdir()) == [
        "labels", "one-2.jpg", "one.jpg", "predictions.csv", "predictions.json"
    ]  # fmt: skip
    assert Image.open(out / "one.jpg").size == (90, 50)
    results = json.loads((out / "predictions.json").read_text())
    for result in results:
        assert set(result) == {"image_id", "category_id", "bbox", "score", "file_name", "category_name"}
        assert result["image_id"] == result["file_name"]  # both images are called one.png
        assert result["category_name"] == ("ant", "bee", "cow")[result["category_id"] - 1]
        x, y, width, height = result["bbox"]
        limits = {"a": (90, 50), "b": (40, 80)}[Path(result["file_name"]).parent.name]
        assert min(x, y) >= 0
        assert (x + width <= limits[0] + 0.02, y + height <= limits[1] + 0.02) == (True, True)
    assert (found.images, found.objects, found.unreadable) == (2, len(results), ())
    assert found.best == pytest.approx(max(result["score"] for result in results), abs=1e-5)
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, result in zip(rows, results, strict=True):
        x, y, width, height = result["bbox"]
        corners = [float(row[corner]) for corner in ("x1", "y1", "x2", "y2")]
        assert corners == pytest.approx([x, y, x + width, y + height], abs=0.011)
        assert (row["class"], float(row["score"])) == (result["category_name"], result["score"])
    lines = [line.split() for line in (out / "labels" / "one.txt").read_text().splitlines()]
    of_it = [result for result in results if Path(result["file_name"]).parent.name == "a"]
    for (label, *box, score), result in zip(lines, of_it, strict=True):
        x, y, width, height = result["bbox"]
        expected = [(x + width / 2) / 90, (y + height / 2) / 50, width / 90, height / 50]
        assert [float(value) for value in box] == pytest.approx(expected, abs=0.001)
        assert (int(label) + 1, float(score)) == (result["category_id"], result["score"])


def test_ids_are_those_of_the_data_set(trained, tmp_path):
    root = write_coco(tmp_path / "data")
    file = root / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    for entry in content["images"]:
        entry["id"] = f"2007_{entry['id']:06}"
    for entry in content["annotations"]:
        entry["image_id"] = f"2007_{entry['image_id']:06}"
    file.write_text(json.dumps(content))
    images = [root / "train2017" / "b.png", root / "val2017" / "d.png"]
    out = predict(trained.folder.last, images, tmp_path / "out", data=root, threshold=0).folder
    ids = {Path(one["file_name"]).name: one["image_id"] for one in json.loads((out / "predictions.json").read_text())}
    assert ids == {"b.png": "2007_000002", "d.png": 1}
    write_image(tmp_path / "other.png")
    with pytest.raises(ValueError, match=r"Expected images of the data set .*other\.png"):
        predict(trained.folder.last, [tmp_path / "other.png"], tmp_path / "none", data=root)
    assert not (tmp_path / "none").exists()


def test_categories_are_those_of_the_data_set(trained, tmp_path):
    root = write_coco(tmp_path / "data")
    other = {1: 18, 2: "b-7", 3: 90}
    for file in (root / "annotations").iterdir():
        content = json.loads(file.read_text())
        for key, entries in (("id", content["categories"]), ("category_id", content["annotations"])):
            for entry in entries:
                entry[key] = other[entry[key]]
        file.write_text(json.dumps(content))
    image = root / "train2017" / "b.png"
    out = predict(trained.folder.last, [image], tmp_path / "out", data=root, threshold=0).folder
    results = json.loads((out / "predictions.json").read_text())
    ids = dict(zip(CLASSES, other.values(), strict=True))
    assert results
    assert all(one["category_id"] == ids[one["category_name"]] for one in results)


def test_the_data_set_is_read_as_for_the_training(trained, tmp_path):
    """Here without label files for most images, which other recipes refuse."""
    root = write_yolo(tmp_path / "data")
    for file in root.rglob("labels/**/*.txt"):
        file.unlink()
    kept = next(root.rglob("images/**/a.png"))
    label = Path(str(kept).replace("images", "labels")).with_suffix(".txt")
    label.write_text("0 0.5 0.5 0.25 0.25\n")
    checkpoint = torch.load(trained.folder.last, weights_only=True)
    with pytest.raises(ValueError, match="label"):
        predict(trained.folder.last, [kept], tmp_path / "none", data=root)
    checkpoint["torchghm"]["recipe"]["data"]["unlabelled"] = "background"
    torch.save(checkpoint, tmp_path / "own.ckpt")
    assert predict(tmp_path / "own.ckpt", [kept], tmp_path / "out", data=root).images == 1


def test_a_name_that_is_no_text_is_escaped(trained, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    write_image(path)
    out = predict(trained.folder.last, [path], tmp_path / "out", threshold=0).folder
    assert (out / f"{path.stem}.jpg").is_file()
    for table in ("predictions.csv", "predictions.json"):
        assert "caf\\udce9.png" in (out / table).read_text()


def test_an_unreadable_image_is_left_out_and_named(trained, tmp_path):
    write_image(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    found = predict(trained.folder.last, [tmp_path / "bad.png", tmp_path / "good.png"], tmp_path / "out")
    assert (found.images, [error.path.name for error in found.unreadable]) == (1, ["bad.png"])
    assert (tmp_path / "out" / "good.jpg").is_file()
    with pytest.raises(ImageError, match=r"bad\.png"):
        predict(trained.folder.last, [tmp_path / "bad.png"], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_every_frame_of_a_video_is_an_image(trained, tmp_path):
    av = pytest.importorskip("av", reason="PyAV, which reads videos, is not installed")
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in (0, 120, 240):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = predict(trained.folder.last, [tmp_path / "film.mp4"], tmp_path / "out", threshold=0)
    assert found.images == 3
    assert [path.name for path in sorted(found.folder.glob("*.jpg"))] == [
        f"film-00000{number}.jpg" for number in range(3)
    ]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(ImageError, match="is not a video that can be read"):
        predict(trained.folder.last, [tmp_path / "broken.mp4"], tmp_path / "none")


def test_a_prediction_that_has_no_room_is_named(trained, tmp_path, no_file_beyond):
    write_image(tmp_path / "good.png")
    with no_file_beyond(100), pytest.raises(WriteError, match="can't write '.*/out': File too large"):
        predict(trained.folder.last, [tmp_path / "good.png"], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["good.png"]


def test_other_predictions_are_not_overwritten_unasked(trained, tmp_path):
    write_image(tmp_path / "one.png")
    out = predict(trained.folder.last, [tmp_path / "one.png"], tmp_path / "out").folder
    shutil.copy(tmp_path / "one.png", tmp_path / "two.png")
    with pytest.raises(FileExistsError, match="is not empty: name another"):
        predict(trained.folder.last, [tmp_path / "two.png"], out)
    predict(trained.folder.last, [tmp_path / "two.png"], out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["labels", "predictions.csv", "predictions.json", "two.jpg"]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file.txt").touch()
    with pytest.raises(FileExistsError, match="does not hold predictions"):
        predict(trained.folder.last, [tmp_path / "two.png"], tmp_path / "own", overwrite=True)


def test_errors(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no image or folder"):
        predict(trained.folder.last, [tmp_path / "none.png"], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*none\.ckpt"):
        predict(tmp_path / "none.ckpt", [Path(__file__)], tmp_path / "out")
    with pytest.raises(ValueError, match="to name at least one image, but got none in"):
        predict(trained.folder.last, [tmp_path], tmp_path / "out")
    with pytest.raises(ValueError, match=r"`threshold` to be in \[0, 1\], but got 3"):
        predict(trained.folder.last, [tmp_path], tmp_path / "out", threshold=3)
