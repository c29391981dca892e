"""A detector on two ranks, each with its own images, has the gradients of one with all of them."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from tests.ranks import on_ranks
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from torchghm import GHMCLoss, GHMRLoss
from torchghm.detection import build_detector, harmonize
from torchghm.losses import FocalLoss, SmoothL1Loss

STEPS = 2
BOXES = ((4.0, 4.0, 40.0, 44.0), (20.0, 16.0, 60.0, 60.0), (30.0, 2.0, 62.0, 30.0))
# Boxes of each image, and how many images the first rank has.
BATCHES = {
    "halves": ((2, 1, 3, 1), 2),
    "unequal images": ((2, 1, 3, 1), 3),
    "unequal objects": ((3, 3, 1, 0), 2),
    "a rank without an object": ((2, 1, 0, 0), 2),
}
# Several ranks take the two passes. So does one rank here: the fused step rounds beta otherwise, by a part in 1e7.
GHMC, GHMR = partial(GHMCLoss, backend="eager"), partial(GHMRLoss, backend="eager")
LOSSES = {
    "GHM": (GHMC, GHMR, "batch"),
    "exact GHM": (
        partial(GHMC, density="exact"),
        lambda: GHMRLoss.published(density="exact", backend="eager"),
        "batch",
    ),
    "GHM by level": (GHMC, GHMR, "level"),
    "focal": (FocalLoss, lambda: SmoothL1Loss(average="boxes"), "batch"),
    "GHM in FCOS": (GHMC, GHMR, "batch"),  # whose centerness is torchvision's
}
CASES = [
    *(("GHM", case) for case in BATCHES),
    *((name, "a rank without an object") for name in LOSSES if name != "GHM"),
    ("GHM in FCOS", "unequal objects"),
]


def batch(boxes, step):
    generator = torch.Generator().manual_seed(step)
    images = [torch.rand(3, 64, 64, generator=generator, dtype=torch.float64) for _ in boxes]
    targets = [
        {
            "boxes": torch.tensor(BOXES[:count], dtype=torch.float64).reshape(-1, 4),
            "labels": torch.randint(3, (count,), generator=generator),
        }
        for count in boxes
    ]
    return images, targets


def detector(name):
    build_cls, build_box, scope = LOSSES[name]
    torch.manual_seed(0)
    options = {} if "FCOS" in name else {"anchor_sizes": (16, 32, 64, 128, 256)}
    model = build_detector(
        "fcos" if "FCOS" in name else "retinanet",
        num_classes=3,
        backbone="resnet18",
        image_size=(64, 64),
        pyramid_channels=64,
        **options,
    )
    harmonize(model, build_cls(), build_box(), scope=scope)
    for module in model.train().modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # frozen: statistics of the batch at hand are each rank's own
    return model.double()  # float32 would round more than there is to see


def gradients(model, parts):
    """Collect the gradients of every parameter, in every step of a short training."""
    network = model.module if isinstance(model, DistributedDataParallel) else model
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    found = []
    for images, targets in parts:
        losses = model(images, targets)
        optimizer.zero_grad()
        losses["bbox_regression"] = 10 * losses["bbox_regression"]
        sum(losses.values()).backward()
        found.append({name: parameter.grad.clone() for name, parameter in network.named_parameters()})
        optimizer.step()
    return found


def every_case(rank):
    results = {}
    for name, case in CASES:
        boxes, cut = BATCHES[case]
        part = slice(0, cut) if rank == 0 else slice(cut, None)
        parts = [tuple(side[part] for side in batch(boxes, step)) for step in range(STEPS)]
        results[name, case] = gradients(DistributedDataParallel(detector(name)), parts)
    return results


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return on_ranks(every_case, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize(("name", "case"), CASES)
def test_two_ranks_equal_one(ranks, name, case):
    boxes, _ = BATCHES[case]
    joint = gradients(detector(name), [batch(boxes, step) for step in range(STEPS)])
    for step in range(STEPS):
        first, second = (rank[name, case][step] for rank in ranks)
        everywhere = max(float(gradient.abs().max()) for gradient in joint[step].values())
        for key, expected in joint[step].items():
            assert torch.equal(first[key], second[key])
            # The second term for gradients that are 0 but for rounding: FCOS has biases in front of a normalisation.
            atol = 1e-9 * float(expected.abs().max()) + (1e-14 * everywhere if "FCOS" in name else 0.0)
            torch.testing.assert_close(first[key], expected, rtol=1e-5, atol=atol, msg=f"{key}, step {step}")
