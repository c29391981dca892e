from __future__ import annotations

from collections import Counter
from copy import deepcopy

import pytest

from torchghm.data.label_noise import KINDS, add_label_noise

WIDTH, HEIGHT = 100, 80


def instances(count: int):
    images = [{"id": number, "width": WIDTH, "height": HEIGHT} for number in range(1, 11)]
    annotations = [
        {
            "id": n,
            "image_id": n % 10 + 1,
            "category_id": n % 3 + 1,
            "bbox": [n % 70, n % 50, 20, 25],
            "area": 500,
            "iscrowd": 0,
        }
        for n in range(1, count + 1)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": number} for number in (1, 2, 3)]}


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.4, 1.0])
def test_the_list_says_exactly_what_was_changed(rate):
    clean = instances(200)
    before = deepcopy(clean)
    noisy, changes = add_label_noise(clean, rate, 0, 1000)
    assert clean == before
    assert Counter(change["kind"] for change in changes) == (
        {kind: round(rate * 200) // 4 for kind in KINDS} if rate else {}
    )
    was = {entry["id"]: entry for entry in clean["annotations"]}
    now = {entry["id"]: entry for entry in noisy["annotations"]}
    assert len(now) == len(noisy["annotations"])
    assert len({change["annotation_id"] for change in changes}) == len(changes)
    for change in changes:
        old, new = was.get(change["annotation_id"]), now.get(change["annotation_id"])
        assert change["image_id"] == (old or new)["image_id"]
        if change["kind"] == "spurious":
            assert old is None
            assert change["original"] is None
        else:
            assert change["original"] == {"category_id": old["category_id"], "bbox": old["bbox"]}
        if change["kind"] == "missing":
            assert new is None
        elif change["kind"] == "class":
            assert new["category_id"] != old["category_id"]
            assert new["bbox"] == old["bbox"]
        elif change["kind"] == "shifted":
            assert new["category_id"] == old["category_id"]
            assert new["bbox"] != old["bbox"]
            assert new["bbox"][2:] == old["bbox"][2:]
    changed = {change["annotation_id"] for change in changes}
    assert {n: entry for n, entry in now.items() if n not in changed} == {
        n: e for n, e in was.items() if n not in changed
    }
    for entry in now.values():
        x, y, width, height = entry["bbox"]
        assert 0 <= x <= x + width <= WIDTH
        assert 0 <= y <= y + height <= HEIGHT
        assert entry["area"] == width * height


def test_shifted_boxes_are_clearly_off():
    clean = instances(200)
    noisy, changes = add_label_noise(clean, 1.0, 1, 1000)
    now = {entry["id"]: entry["bbox"] for entry in noisy["annotations"]}
    for change in (change for change in changes if change["kind"] == "shifted"):
        (x, y, width, height), (new_x, new_y, *_) = change["original"]["bbox"], now[change["annotation_id"]]
        overlap = (width - abs(new_x - x)) * (height - abs(new_y - y))
        assert overlap / (2 * width * height - overlap) < 0.5


def test_boxes_of_any_size_are_moved_and_stay_in_their_image():
    boxes = [[0, 0, WIDTH, HEIGHT], [0, 10.5, WIDTH, 20.25], [3.3, 4.4, 0.5, 0.7], [40, 0, 60, 80], [1, 1, 98.9, 1.5]]
    clean = instances(5)
    for entry, box in zip(clean["annotations"], boxes, strict=True):
        entry["bbox"] = box
    seen = set()
    for seed in range(30):
        noisy, changes = add_label_noise(clean, 1.0, seed, 1000)
        now = {entry["id"]: entry["bbox"] for entry in noisy["annotations"]}
        for change in changes:
            if change["kind"] == "shifted":
                (x, y, width, height), moved = change["original"]["bbox"], now[change["annotation_id"]]
                sides = [min(a + b, c + d) - max(a, c) for a, b, c, d in
                         ((x, width, moved[0], moved[2]), (y, height, moved[1], moved[3]))]  # fmt: skip
                shared = max(sides[0], 0) * max(sides[1], 0)
                assert shared / (width * height + moved[2] * moved[3] - shared) < 0.6
                seen.add(change["annotation_id"])
        for x, y, width, height in now.values():
            assert 0 <= x < x + width <= WIDTH + 1e-9
            assert 0 <= y < y + height <= HEIGHT + 1e-9
    assert len(seen) == 5


def test_crowds_are_no_labels_to_spoil():
    clean = instances(40)
    for entry in clean["annotations"][:30]:
        entry["iscrowd"] = 1
    noisy, changes = add_label_noise(clean, 1.0, 0, 1000)
    assert len(changes) == 10
    assert noisy["annotations"][:30] == clean["annotations"][:30]


def test_a_single_category_has_no_wrong_classes():
    clean = instances(30)
    clean["categories"] = [{"id": 1}]
    changes = add_label_noise(clean, 1.0, 0, 1000)[1]
    assert Counter(change["kind"] for change in changes) == {"shifted": 10, "missing": 10, "spurious": 10}


def test_the_seed_decides():
    assert add_label_noise(instances(50), 0.5, 1, 1000) == add_label_noise(instances(50), 0.5, 1, 1000)
    assert add_label_noise(instances(50), 0.5, 1, 1000) != add_label_noise(instances(50), 0.5, 2, 1000)


def test_no_annotations():
    assert add_label_noise(instances(0), 0.5, 0, 1000)[1] == []
