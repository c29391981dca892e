from __future__ import annotations

import json

import pytest
from tests.data.layouts import write_voc, write_yolo

from torchghm.data import DataError, load_data, write_data


@pytest.mark.parametrize("layout", ["voc", "yolo"])
def test_ids_and_classes_are_kept_beside_the_layout(tmp_path, layout):
    root = {"voc": write_voc, "yolo": write_yolo}[layout](tmp_path / "data")
    data = load_data(root)
    ids = [f"{'JPEGImages' if layout == 'voc' else 'images/train'}/{name}.png" for name in "abc"]
    content = {"classes": ["cow", "bee", "ant", "dodo"], "image_ids": dict(zip(ids, (70, -3, 9), strict=True))}
    (root / "torchghm.json").write_text(json.dumps(content))
    kept = load_data(root)
    assert kept.splits["train"].image_ids.tolist() == [70, -3, 9]
    if layout == "voc":
        assert kept.classes == ("cow", "bee", "ant", "dodo")
        assert [kept.classes[label] for label in kept.splits["train"].labels] == [
            data.classes[label] for label in data.splits["train"].labels
        ]
    content["classes"] = ["cow"]  # not all that there are: it is of another set
    (root / "torchghm.json").write_text(json.dumps(content))
    assert load_data(root).classes == data.classes


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "[" * 100_000, '{"classes": ["a"], "image_ids": {"x": "y"}}', '{"classes": [1], "image_ids": {}}',
     '{"classes": [], "image_ids": {"x": true}}',
     '{"classes": ["a", "a"], "image_ids": {}}'],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["voc", "yolo"])
def test_a_file_that_is_something_else_is_named(tmp_path, layout, content):
    data = load_data(write_voc(tmp_path / "data"))
    root = write_data(data, tmp_path / "copy", to=layout)
    (root / "torchghm.json").write_text(content)
    with pytest.raises(DataError, match=r"torchghm\.json: malformed-annotations"):
        load_data(root)
