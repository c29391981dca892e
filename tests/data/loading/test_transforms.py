from __future__ import annotations

import pickle

import pytest
import torch
from torchvision import tv_tensors

from torchghm.data import evaluation_transforms, training_transforms

HEIGHT, WIDTH = 60, 80


def sample(*boxes: tuple[float, float, float, float]):
    """A black image with a white rectangle for each box."""
    image = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    for x1, y1, x2, y2 in boxes:
        image[:, y1:y2, x1:x2] = 255
    target = {
        "boxes": tv_tensors.BoundingBoxes(
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), format="XYXY", canvas_size=(HEIGHT, WIDTH)
        ),
        "labels": torch.arange(len(boxes)),
        "image_id": 5,
    }
    return tv_tensors.Image(image), target


def white_area(image: torch.Tensor) -> list[float]:
    rows = torch.nonzero((image.float().mean(0) > 200).any(1)).ravel()
    columns = torch.nonzero((image.float().mean(0) > 200).any(0)).ravel()
    return [columns[0].item(), rows[0].item(), columns[-1].item() + 1, rows[-1].item() + 1]


def test_certain_flips_are_exact():
    image, target = training_transforms(flip=1.0, vertical_flip=1.0)(*sample((10, 5, 30, 20)))
    assert target["boxes"].tolist() == [[50, 40, 70, 55]]
    assert white_area(image) == [50, 40, 70, 55]
    image, target = training_transforms(flip=0.0)(*sample((10, 5, 30, 20)))
    assert target["boxes"].tolist() == [[10, 5, 30, 20]]
    assert white_area(image) == [10, 5, 30, 20]


def test_flips_happen_as_often_as_asked():
    torch.manual_seed(0)
    transforms = training_transforms(flip=0.25)
    flipped = sum(transforms(*sample((10, 5, 30, 20)))[1]["boxes"][0, 0].item() == 50 for _ in range(400))
    assert 70 <= flipped <= 130


@pytest.mark.parametrize("scale_jitter", [(0.5, 0.5), (1.5, 1.5), (0.6, 1.4)])
def test_boxes_follow_the_zoom(scale_jitter):
    torch.manual_seed(1)
    transforms = training_transforms(scale_jitter=scale_jitter)
    for _ in range(20):
        image, target = transforms(*sample((30, 20, 50, 40)))
        assert image.shape == (3, HEIGHT, WIDTH)
        assert target["boxes"][0].tolist() == pytest.approx(white_area(image), abs=1.5)
        side = target["boxes"][0, 2] - target["boxes"][0, 0]
        assert 20 * scale_jitter[0] - 1 <= side <= 20 * scale_jitter[1] + 1


def test_boxes_that_leave_the_image_go_with_their_labels():
    torch.manual_seed(2)
    transforms = training_transforms(flip=0, scale_jitter=(3.0, 3.0), translate=0.0)
    _, target = transforms(*sample((0, 0, 10, 10), (36, 26, 44, 34), (20, 20, 30, 30)))
    assert target["labels"].tolist() == [1, 2]
    assert target["boxes"].tolist() == [[28, 18, 52, 42], [0, 0, 10, 30]]
    assert target["image_id"] == 5


def test_what_is_left_empty_gets_a_neutral_colour():
    image, _ = training_transforms(scale_jitter=(0.5, 0.5), translate=0.0)(*sample((0, 0, 80, 60)))
    assert image[:, 2, 2].tolist() == [124, 116, 104]


def test_slivers_are_removed():
    _, target = training_transforms(flip=0, smallest_box=4)(*sample((0, 0, 3, 40), (0, 0, 4, 40), (0, 0, 40, 1)))
    assert target["labels"].tolist() == [1]


def test_colours_change_and_boxes_do_not():
    torch.manual_seed(3)
    image, target = sample((10, 5, 30, 20))
    image = tv_tensors.Image(torch.full_like(image, 100))
    changed, changed_target = training_transforms(flip=0, colour_jitter=0.5)(image, target)
    assert changed.dtype == torch.uint8
    assert not torch.equal(changed, image)
    assert changed_target["boxes"].tolist() == [[10, 5, 30, 20]]


@pytest.mark.parametrize("make", [training_transforms, evaluation_transforms])
def test_types(make):
    image, target = make(dtype=torch.float32)(*sample((10, 5, 30, 20)))
    assert image.dtype == torch.float32
    assert image.max() == 1
    assert target["boxes"].dtype == torch.float32
    assert target["labels"].dtype == torch.int64
    assert make()(*sample())[0].dtype == torch.uint8


def test_evaluation_changes_nothing():
    image, target = sample((10, 5, 30, 20), (0, 0, 0, 0))
    same, same_target = evaluation_transforms()(image, target)
    assert torch.equal(same, image)
    assert same_target["boxes"].tolist() == target["boxes"].tolist()


def test_the_seed_decides():
    transforms = training_transforms(scale_jitter=(0.5, 1.5), colour_jitter=0.3, vertical_flip=0.5)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(transforms(*sample((10, 5, 30, 20)))[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_transforms_go_to_worker_processes():
    copy = pickle.loads(pickle.dumps(training_transforms(scale_jitter=(0.5, 1.5), colour_jitter=0.1)))
    assert copy(*sample((10, 5, 30, 20)))[0].shape == (3, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("flip", 1.5),
        ("vertical_flip", -0.1),
        ("colour_jitter", 2.0),
        ("translate", float("nan")),
        ("scale_jitter", (1.5, 0.5)),
        ("scale_jitter", (0.0, 0.5)),
        ("smallest_box", 0.5),
    ],
)
def test_arguments_out_of_range_are_named(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`"):
        training_transforms(**({"scale_jitter": (0.5, 1.0)} | {argument: value}))


def test_regions_that_are_no_objects_follow_the_image():
    transform = training_transforms(flip=1.0)
    image = tv_tensors.Image(torch.zeros(3, 30, 40, dtype=torch.uint8))
    target = {
        "boxes": tv_tensors.BoundingBoxes([[1.0, 2, 11, 12], [5, 5, 5.2, 9]], format="XYXY", canvas_size=(30, 40)),
        "labels": torch.tensor([0, 1]),
        "ignored_boxes": tv_tensors.BoundingBoxes(
            [[0.0, 0, 10, 30], [5, 5, 5.5, 9], [30, 0, 40, 9]], format="XYXY", canvas_size=(30, 40)
        ),
    }
    _, found = transform(image, target)
    assert found["boxes"].tolist() == [[29, 2, 39, 12]]
    assert found["ignored_boxes"].tolist() == [[30, 0, 40, 30], [34.5, 5, 35, 9], [0, 0, 10, 9]]
    assert found["labels"].tolist() == [0]
