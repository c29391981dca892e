"""A corrected copy has what was accepted, in the layout that the data have; nothing else changes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.data.layouts import CLASSES, Sample, write_coco, write_voc, write_yolo

from torchghm.data import load_data
from torchghm.review.correcting import LOG_FILE, read_decisions, write_corrected

ACCEPTED = [
    {
        "finding": "wrong-class-0", "kind": "wrong class", "decision": "accept", "class": "ant",
        "box": [1.0, 2.0, 11.0, 12.0], "suggested_class": "bee", "suggested_box": [1.0, 2.0, 11.0, 12.0],
    },
    {
        "finding": "spurious-1", "kind": "spurious", "decision": "accept", "class": "cow",
        "box": [5.0, 5.0, 30.0, 25.0], "suggested_class": None, "suggested_box": None,
    },
    {
        "finding": "missing-0", "kind": "missing", "decision": "accept", "class": None, "box": None,
        "suggested_class": "cow", "suggested_box": [20.0, 20.0, 28.0, 44.0],
    },
    {
        "finding": "misplaced-9", "kind": "misplaced", "decision": "reject", "class": "ant",
        "box": [1.0, 2.0, 11.0, 12.0], "suggested_class": "ant", "suggested_box": [2.0, 2.0, 9.0, 9.0],
    },
]  # fmt: skip
WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


def saved(path, decisions):
    path.write_text(json.dumps({"torchghm_review": 1, "decisions": decisions}))
    return path


def of_image(data, stem):
    records = data.splits["train"]
    index = next(i for i, name in enumerate(records.names()) if name.endswith(f"{stem}.png"))
    return records.name(index), records[index]


@pytest.mark.parametrize("layout", WRITERS)
def test_what_was_accepted_is_in_the_copy(tmp_path, layout):
    data = load_data(WRITERS[layout](tmp_path / "data"), val_fraction=0, test_fraction=0)
    name, _ = of_image(data, "a")
    decisions = read_decisions(saved(tmp_path / "d.json", [{"image": name, **decision} for decision in ACCEPTED]))
    made = write_corrected(data, decisions, tmp_path / "out")
    copy = load_data(made, val_fraction=0, test_fraction=0)
    assert (copy.layout, copy.classes) == (layout, CLASSES)
    _, after = of_image(copy, "a")
    assert after.labels.tolist() == [1, 2]
    np.testing.assert_allclose(after.boxes, [[1, 2, 11, 12], [20, 20, 28, 30]], atol=1e-3)  # cut at the border
    assert {split: len(records) for split, records in copy.splits.items()} == {
        split: len(records) for split, records in data.splits.items()
    }
    _, other = of_image(copy, "b")
    np.testing.assert_allclose(other.boxes, of_image(data, "b")[1].boxes, atol=1e-3)
    log = json.loads((made / LOG_FILE).read_text())
    assert log["decisions"] == {"accept": 3, "reject": 1, "skip": 0}
    assert [change["finding"] for change in log["changes"]] == ["wrong-class-0", "spurious-1", "missing-0"]
    assert of_image(load_data(data.root, val_fraction=0, test_fraction=0), "a")[1].labels.tolist() == [0, 2]


def test_image_ids_of_text_stay_as_they_are(tmp_path):
    root = write_coco(tmp_path / "data")
    file = root / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    for entry, key in [(image, "id") for image in content["images"]] + [
        (of, "image_id") for of in content["annotations"]
    ]:
        entry[key] = f"cell-{entry[key]}"
    file.write_text(json.dumps(content))
    data = load_data(root, val_fraction=0, test_fraction=0)
    name, _ = of_image(data, "a")
    decisions = read_decisions(saved(tmp_path / "d.json", [{"image": name, **ACCEPTED[0]}]))
    made = write_corrected(data, decisions, tmp_path / "out")
    written = json.loads((made / "annotations" / "instances_train.json").read_text())
    ids = {image["id"] for image in content["images"]}
    assert {image["id"] for image in written["images"]} == ids
    assert {annotation["image_id"] for annotation in written["annotations"]} <= ids


def test_misplaced_box_is_moved(tmp_path):
    data = load_data(write_coco(tmp_path / "data"), val_fraction=0, test_fraction=0)
    name, _ = of_image(data, "a")
    decision = {**ACCEPTED[3], "image": name, "decision": "accept"}
    made = write_corrected(data, read_decisions(saved(tmp_path / "d.json", [decision])), tmp_path / "out")
    _, after = of_image(load_data(made), "a")
    assert sorted(after.boxes.tolist()) == [[2, 2, 9, 9], [5, 5, 30, 25]]


@pytest.mark.parametrize(
    "change",
    [
        {"image": "train2017/z.png"},
        {"box": [1.0, 2.0, 11.0, 13.0]},
        {"class": "cow"},
        {"suggested_class": "dog"},
        {"suggested_box": [70.0, 2.0, 80.0, 9.0]},
    ],
)
def test_decisions_about_what_is_not_there_are_named(tmp_path, change):
    data = load_data(write_coco(tmp_path / "data"), val_fraction=0, test_fraction=0)
    name, _ = of_image(data, "a")
    decisions = [{**ACCEPTED[0], "image": name, **change}]
    with pytest.raises(ValueError, match="1 decisions are about what is not in .*wrong-class-0"):
        write_corrected(data, read_decisions(saved(tmp_path / "d.json", decisions)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_into_the_source_or_over_other_things(tmp_path):
    data = load_data(write_coco(tmp_path / "data"), val_fraction=0, test_fraction=0)
    with pytest.raises(ValueError, match="outside of the data"):
        write_corrected(data, [], tmp_path / "data" / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        write_corrected(data, [], tmp_path / "full")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "Expected the decisions"),
        ('{"torchghm_review": 1}', "expected a list"),
        ('{"torchghm_review": 1, "decisions": [{"decision": "maybe"}]}', "decision 0: expected 'decision'"),
        (json.dumps({"torchghm_review": 1, "decisions": [{**ACCEPTED[2], "image": "a", "suggested_box": [3, 3, 3]}]}),
         "x1, y1, x2, y2 under the key 'suggested_box'"),
    ],
)  # fmt: skip
def test_files_that_are_no_decisions(tmp_path, content, message):
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_decisions(tmp_path / "d.json")


def test_a_finding_that_is_decided_twice_counts_once(tmp_path):
    """Files of decisions that were joined may have it twice."""
    data = load_data(write_coco(tmp_path / "data"), val_fraction=0, test_fraction=0)
    name, _ = of_image(data, "a")
    twice = [{"image": name, **ACCEPTED[2]}, {"image": name, **ACCEPTED[2]}]
    decisions = read_decisions(saved(tmp_path / "d.json", twice))
    _, after = of_image(load_data(write_corrected(data, decisions, tmp_path / "out")), "a")
    assert after.labels.tolist().count(2) == 2  # one of them is new
    twice[1] = {**twice[1], "decision": "reject"}
    with pytest.raises(ValueError, match="one decision on the finding missing-0 .*'accept' and 'reject'"):
        read_decisions(saved(tmp_path / "d.json", twice))
    assert len(read_decisions(saved(tmp_path / "d.json", [twice[0], {**twice[1], "image": "another.png"}]))) == 2


def test_each_of_three_labels_that_are_the_same_can_be_removed(tmp_path):
    """But for a hundredth of a pixel: a reader leaves out exact copies."""
    boxes = ((1, 2, 11, 12), (1.01, 2, 11, 12), (1, 2, 11.01, 12), (20, 5, 30, 25))
    labels = (0, 0, 0, 1)
    samples = (Sample("a.png", "train", boxes, labels), Sample("c.png", "val", ((3, 4, 9, 10),), (2,)))
    data = load_data(write_coco(tmp_path / "data", samples), val_fraction=0, test_fraction=0)
    name, before = of_image(data, "a")
    assert before.labels.tolist() == [0, 0, 0, 1]
    duplicates = [
        {**ACCEPTED[1], "image": name, "kind": "duplicate", "finding": f"duplicate-{row}", "class": CLASSES[0],
         "box": [1.0, 2.0, 11.0, 12.0]}
        for row in (1, 2)
    ]  # fmt: skip
    decisions = read_decisions(saved(tmp_path / "d.json", duplicates))
    _, after = of_image(load_data(write_corrected(data, decisions, tmp_path / "out")), "a")
    assert after.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "spurious", "suggested_class": None, "suggested_box": None},
        {"kind": "wrong class", "suggested_class": "cow"},
    ],
)
def test_corrections_of_one_label_have_to_agree(tmp_path, other):
    data = load_data(write_coco(tmp_path / "data"), val_fraction=0, test_fraction=0)
    name, _ = of_image(data, "a")
    two = [{**ACCEPTED[0], "image": name}, {**ACCEPTED[0], "image": name, "finding": "of-another-review", **other}]
    decisions = read_decisions(saved(tmp_path / "d.json", two))
    with pytest.raises(ValueError, match="decisions that agree on a label, but got wrong class and .* for of-another"):
        write_corrected(data, decisions, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_class_and_box_of_one_label_are_both_corrected(tmp_path):
    data = load_data(write_coco(tmp_path / "data"), val_fraction=0, test_fraction=0)
    name, _ = of_image(data, "a")
    two = [{**ACCEPTED[0], "image": name}, {**ACCEPTED[3], "image": name, "decision": "accept"}]
    decisions = read_decisions(saved(tmp_path / "d.json", two))
    _, after = of_image(load_data(write_corrected(data, decisions, tmp_path / "out")), "a")
    assert sorted(zip(after.labels.tolist(), after.boxes.tolist(), strict=True)) == [
        (1, [2, 2, 9, 9]), (2, [5, 5, 30, 25])
    ]  # fmt: skip
