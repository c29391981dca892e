import json

from tests.data.layouts import write_coco
from tests.training.tiny import TINY, samples, write_tiny_data

from torchghm.training.loop.recipe_data import load_recipe_data


def test_what_was_dropped_is_said_with_a_count(tmp_path, caplog):
    broken = samples()
    root = write_coco(tmp_path / "data", broken)
    file = root / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"][:2]:
        annotation["bbox"][2] = 0
    file.write_text(json.dumps(content))
    with caplog.at_level("WARNING", logger="torchghm"):
        load_recipe_data(root, TINY.data)
    assert caplog.messages == [
        f"{root}: box-without-area: 2 (boxes of zero width or height, dropped)",
        f"{root}: image-left-out: 1 (images all of whose objects were dropped, left out)",
    ]


def test_a_set_found_below_the_folder_is_named(tmp_path, caplog):
    data = write_tiny_data(tmp_path / "somewhere" / "below")
    found = load_recipe_data(tmp_path, TINY.data)
    assert found.root == data
    assert f"{tmp_path}: the data set found below it is {data}" in caplog.text
    caplog.clear()
    load_recipe_data(data, TINY.data)
    assert not caplog.text
