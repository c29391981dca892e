"""Colours: torchvision's three functions where nothing is clipped, and the range of the type where it is."""

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as transforms

from torchghm.data.loading.colours import RandomColours, adjust_colours


@pytest.mark.parametrize(
    "factors", [(1.0, 1.0, 1.0), (1.3, 1.0, 1.0), (1.0, 0.4, 1.0), (1.0, 1.0, 1.6), (1.2, 0.7, 1.3), (0.8, 1.2, 0.0)]
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_torchvision_s_functions_one_after_the_other(factors, dtype):
    """From 80 to 140 of 255 nothing is clipped; of integers, torchvision rounds down after each function."""
    image = torch.randint(80, 141, (3, 9, 7)).to(dtype)
    if dtype.is_floating_point:
        image /= 255
    expected = transforms.adjust_brightness(image, factors[0])
    expected = transforms.adjust_contrast(expected, factors[1])
    expected = transforms.adjust_saturation(expected, factors[2])
    changed = adjust_colours(image, *factors)
    assert changed.dtype == dtype
    torch.testing.assert_close(
        changed.double(), expected.double(), rtol=0, atol=1e-3 if dtype.is_floating_point else 3.5
    )


def test_one_changes_nothing_and_the_image_stays():
    image = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    before = image.clone()
    assert torch.equal(adjust_colours(image, 1.0, 1.0, 1.0), image)
    adjust_colours(image, 1.5, 0.5, 0.2)
    assert torch.equal(image, before)
    fractions = image.double() / 255
    adjust_colours(fractions, 1.5, 0.5, 0.2)
    assert torch.equal(fractions, before.double() / 255)


def test_ends_of_the_range():
    image = torch.tensor([0, 128, 255], dtype=torch.uint8)[:, None, None].expand(3, 2, 2)
    assert adjust_colours(image, 2.0, 1.0, 1.0)[:, 0, 0].tolist() == [0, 255, 255]
    assert adjust_colours(image, 0.0, 1.0, 1.0).unique().tolist() == [0]
    assert adjust_colours(image, 1.0, 0.0, 1.0).unique().tolist() == [104]
    assert adjust_colours(image / 255, 2.0, 1.0, 1.0).max() == 1


def test_factors_are_drawn_from_their_range():
    """A gray image of 100 changes by the brightness alone."""
    torch.manual_seed(0)
    image = tv_tensors.Image(torch.full((3, 4, 4), 100, dtype=torch.uint8))
    target = {"boxes": torch.zeros(0, 4)}
    values = [RandomColours(0.3)(image, target)[0].unique().tolist() for _ in range(300)]
    assert all(len(value) == 1 for value in values)
    found = sorted(value[0] for value in values)
    assert 70 <= found[0] < 73
    assert 127 < found[-1] <= 130
