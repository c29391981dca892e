import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tests.data.layouts import write_coco, write_image

from torchghm.atomic_files import WriteError
from torchghm.data import ImageError
from torchghm.training import predict


def test_drawn_images_and_coco_results(trained, tmp_path):
    write_image(tmp_path / "a" / "one.png", 90, 50)
    write_image(tmp_path / "b" / "one.png", 40, 80)
    out = predict(trained.folder.path, [tmp_path / "a", tmp_path / "b" / "one.png"], tmp_path / "out", threshold=0)
    assert sorted(path.name for path in out.iterdir()) == ["one-2.jpg", "one.jpg", "predictions.json"]
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
    out = predict(trained.folder.last, images, tmp_path / "out", data=root, threshold=0)
    ids = {Path(one["file_name"]).name: one["image_id"] for one in json.loads((out / "predictions.json").read_text())}
    assert ids == {"b.png": "2007_000002", "d.png": 1}
    write_image(tmp_path / "other.png")
    with pytest.raises(ValueError, match=r"expected images of the data set .*other\.png"):
        predict(trained.folder.last, [tmp_path / "other.png"], tmp_path / "none", data=root)
    assert not (tmp_path / "none").exists()


def test_nothing_is_left_of_a_prediction_that_fails(trained, tmp_path):
    write_image(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    with pytest.raises(ImageError, match=r"bad\.png"):
        predict(trained.folder.last, [tmp_path / "good.png", tmp_path / "bad.png"], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png", "good.png"]


def test_a_prediction_that_has_no_room_is_named(trained, tmp_path, no_file_beyond):
    write_image(tmp_path / "good.png")
    with no_file_beyond(100), pytest.raises(WriteError, match="can't write '.*/out': File too large"):
        predict(trained.folder.last, [tmp_path / "good.png"], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["good.png"]


def test_other_predictions_are_not_overwritten_unasked(trained, tmp_path):
    write_image(tmp_path / "one.png")
    out = predict(trained.folder.last, [tmp_path / "one.png"], tmp_path / "out")
    shutil.copy(tmp_path / "one.png", tmp_path / "two.png")
    with pytest.raises(FileExistsError, match="is not empty: name another"):
        predict(trained.folder.last, [tmp_path / "two.png"], out)
    predict(trained.folder.last, [tmp_path / "two.png"], out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["predictions.json", "two.jpg"]
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
