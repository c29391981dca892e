from __future__ import annotations

import pytest
import torch
from tests.data.layouts import CLASSES, write_coco
from torchvision import tv_tensors

from torchghm.data import DetectionDataset, load_data, training_transforms
from torchghm.data.loading.mosaic import SMALLEST_PART, join_mosaic
from torchghm.data.loading.transforms import FILL

HEIGHT, WIDTH = 30, 40


def item(number, boxes, ignored=(), height=HEIGHT, width=WIDTH):
    """An image whose pixels know its number and their place, and its target; labels are places among all boxes."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([torch.full_like(x, number), x, y]).to(torch.uint8)

    def boxed(values):
        values = torch.tensor(values, dtype=torch.float32).reshape(-1, 4)
        return tv_tensors.BoundingBoxes(values, format="XYXY", canvas_size=(height, width))

    labels = torch.arange(len(boxes)) + 100 * number
    target = {"boxes": boxed(boxes), "labels": labels, "annotations": labels + 1, "ignored_boxes": boxed(ignored)}
    return image, {**target, "image_id": number + 7}


def random_boxes(generator, count):
    corners = [torch.randint(side + 1, (count, 2), generator=generator).sort(dim=1).values for side in (WIDTH, HEIGHT)]
    boxes = torch.stack([corners[0][:, 0], corners[1][:, 0], corners[0][:, 1], corners[1][:, 1]], dim=1)
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(dim=1)].tolist()


def visible(image, number, box):
    """The box around all pixels of an object in a mosaic, and their share of its pixels, pixel by pixel."""
    x1, y1, x2, y2 = box
    seen = [
        (column, row)
        for row in range(HEIGHT)
        for column in range(WIDTH)
        if image[0, row, column] == number and x1 <= image[1, row, column] < x2 and y1 <= image[2, row, column] < y2
    ]
    if not seen:
        return None, 0.0
    columns, rows = zip(*seen, strict=True)
    share = len(seen) / ((x2 - x1) * (y2 - y1))
    return [min(columns), min(rows), max(columns) + 1, max(rows) + 1], share


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_around_the_pixels_of_their_objects(seed):
    generator = torch.Generator().manual_seed(seed)
    boxes = [random_boxes(generator, 6) for _ in range(4)]
    ignored = [random_boxes(generator, 2) for _ in range(4)]
    items = [item(number, *pair) for number, pair in enumerate(zip(boxes, ignored, strict=True))]
    centre = (0.25 + 0.5 * torch.rand(2, generator=generator)).tolist()
    image, target = join_mosaic(items, centre, torch.rand(4, 2, generator=generator).tolist())
    assert image.shape == (3, HEIGHT, WIDTH)
    assert {int(number) for number in image[0].unique()} == {0, 1, 2, 3}  # no place is empty
    objects, regions = [], []
    for number in range(4):
        for place, box in enumerate(boxes[number]):
            seen, share = visible(image, number, box)
            if share >= SMALLEST_PART:
                objects.append((seen, 100 * number + place))
            elif seen:
                regions.append(seen)
        regions += [seen for seen, _ in (visible(image, number, box) for box in ignored[number]) if seen]
    assert objects
    assert regions
    assert list(zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)) == objects
    assert torch.equal(target["annotations"], target["labels"] + 1)
    assert sorted(target["ignored_boxes"].tolist()) == sorted(regions)
    assert target["image_id"] == 7
    assert "frame_boxes" not in target


def test_images_of_other_sizes_are_scaled_and_what_they_leave_is_neutral():
    items = [
        item(0, []),
        item(1, [[0, 0, 20, 15]], height=15, width=20),
        item(2, [[0, 0, 10, 10]], height=10, width=10),
    ]
    image, target = join_mosaic([*items, item(3, [])], (0.5, 0.5), [(0, 0)] * 4)
    # Twice as large, of which the upper left quarter is seen; three times as large, of which a part is.
    assert target["boxes"].tolist() == [[20, 0, 40, 15], [0, 15, 20, 30]]
    image, target = join_mosaic(
        [items[0], items[0], items[0], item(3, [[0, 0, 10, 30]], width=10)], (0.25, 0.5), [(0, 1)] * 4
    )
    assert target["boxes"].tolist() == [[10, 15, 20, 30]]
    assert image[:, 29, 39].tolist() == list(FILL)


@pytest.fixture
def records(tmp_path):
    return load_data(write_coco(tmp_path / "data")).splits["train"]


def test_a_data_set_of_mosaics(records):
    plain = DetectionDataset(records, CLASSES, training=True)
    always = DetectionDataset(records, CLASSES, training_transforms(scale_jitter=(0.5, 1.5)), training=True, mosaic=1.0)
    sometimes = DetectionDataset(records, CLASSES, training=True, mosaic=0.5)
    torch.manual_seed(0)
    image, target = always[0]
    assert image.shape == plain[0][0].shape
    assert (type(image), type(target["boxes"]), type(target["ignored_boxes"])) == (torch.Tensor,) * 3
    labels = torch.tensor(records.labels)
    assert torch.equal(labels[target["annotations"]], target["labels"])  # of all records, not of one image
    alike = [torch.equal(sometimes[0][0], plain[0][0]) for _ in range(40)]
    assert 8 <= sum(alike) <= 32


@pytest.mark.parametrize(("mosaic", "training"), [(1.5, True), (-0.1, True), (0.5, False), (float("nan"), True)])
def test_other_probabilities_are_refused(records, mosaic, training):
    with pytest.raises(ValueError, match=r"Expected argument `mosaic` to be"):
        DetectionDataset(records, CLASSES, training=training, mosaic=mosaic)
