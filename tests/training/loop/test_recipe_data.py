import json

from tests.data.layouts import write_coco
from tests.training.tiny import TINY, samples

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
