"""Zoom: what a resized image and moved boxes are, pixel by pixel."""

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as transforms

from torchghm.data.loading.zoom import RandomZoom

HEIGHT, WIDTH = 12, 20
FILL = (9, 8, 7)


def boxes(rows, clamping="soft"):
    return tv_tensors.BoundingBoxes(
        torch.tensor(rows, dtype=torch.float32), format="XYXY", canvas_size=(HEIGHT, WIDTH), clamping_mode=clamping
    )


@pytest.fixture
def image():
    return tv_tensors.Image(torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8))


def test_half_size_lies_in_the_middle(image):
    zoomed, target = RandomZoom((0.5, 0.5), 0.0, FILL)(image, {"boxes": boxes([[2, 4, 12, 10]]), "image_id": 3})
    expected = torch.tensor(FILL, dtype=torch.uint8)[:, None, None].repeat(1, HEIGHT, WIDTH)
    expected[:, 3:9, 5:15] = transforms.resize(image, [6, 10])
    assert torch.equal(zoomed, expected)
    assert target["boxes"].tolist() == [[6, 5, 11, 8]]
    assert target["image_id"] == 3


def test_double_size_is_cut(image):
    given = {"boxes": boxes([[0, 0, 8, 6]]), "frame_boxes": boxes([[0, 0, 10, 6]], clamping=None)}
    zoomed, target = RandomZoom((2.0, 2.0), 0.0, FILL)(image, given)
    assert torch.equal(zoomed, transforms.resize(image, [24, 40])[:, 6:18, 10:30])
    assert target["boxes"].tolist() == [[0, 0, 6, 6]]
    assert target["frame_boxes"].tolist() == [[-10, -6, 10, 6]]  # beyond the border, since nothing clamps it
    assert given["boxes"].tolist() == [[0, 0, 8, 6]]


@pytest.mark.parametrize("factor", [0.3, 0.77, 1.0, 1.31, 3.0])
def test_shifts_are_as_large_as_allowed_and_boxes_follow(factor):
    """A white image: what is white is the box of the whole image."""
    torch.manual_seed(0)
    image = tv_tensors.Image(torch.full((3, HEIGHT, WIDTH), 255, dtype=torch.uint8))
    spans = set()
    for _ in range(60):
        zoomed, target = RandomZoom((factor, factor), 1.0, FILL)(image, {"boxes": boxes([[0, 0, WIDTH, HEIGHT]])})
        assert zoomed.shape == image.shape
        x1, y1, x2, y2 = target["boxes"][0].tolist()
        expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
        expected[round(y1) : round(y2), round(x1) : round(x2)] = True
        assert torch.equal(zoomed[0] == 255, expected)
        spans.add((x1, x2))
    assert factor == 3.0 or len(spans) > 5  # three times the size covers the image wherever it lies
