"""Two processes with parts of a batch give the gradients of one with the whole, over several steps."""

from __future__ import annotations

import socket
from typing import Literal

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from torchghm import GHMCLoss, GHMRLoss

STEPS = 3


def batches():
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        logits = torch.randn(120, 3, generator=generator) * 3
        targets = torch.randint(-1, 3, (120,), generator=generator)
        boxes = torch.randn(40, 4, generator=generator) * 0.1
        yield logits, targets, boxes


def run_rank(rank: int, port: int, cuts: tuple[int, int], mu: float | Literal["auto"], results: str) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    cls_loss, box_loss = GHMCLoss(), GHMRLoss(mu)
    gradients = []
    for logits, targets, boxes in batches():
        rows = slice(0, cuts[0]) if rank == 0 else slice(cuts[0], None)
        some = slice(0, cuts[1]) if rank == 0 else slice(cuts[1], None)
        inputs, predicted = logits[rows].requires_grad_(), boxes[some].requires_grad_()
        loss = cls_loss(inputs, targets[rows]) + box_loss(predicted, torch.zeros_like(predicted))
        loss.backward()
        # a data-parallel wrapper averages the ranks' gradients
        gradients.append((inputs.grad / 2, predicted.grad / 2, loss.detach() / 2))
    cls_loss.eval()
    if rank == 0:
        cls_loss(logits, targets)  # evaluation on one rank alone must not wait for the other
    torch.save((gradients, cls_loss.state_dict(), box_loss.state_dict()), f"{results}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("cuts", "mu"),
    [((60, 20), 0.02), ((100, 3), "auto"), ((120, 40), 0.02)],
    ids=["halves", "unequal, mu auto", "one rank has nothing"],
)
def test_two_ranks_equal_one(cuts, mu, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.start_processes(run_rank, (port, cuts, mu, str(tmp_path)), nprocs=2, start_method="spawn")
    (first, first_state, first_boxes), (second, second_state, second_boxes) = (
        torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)
    )
    cls_loss, box_loss = GHMCLoss(), GHMRLoss(mu)
    for step, (logits, targets, boxes) in enumerate(batches()):
        logits.requires_grad_()
        boxes.requires_grad_()
        loss = cls_loss(logits, targets) + box_loss(boxes, torch.zeros_like(boxes))
        loss.backward()
        torch.testing.assert_close(torch.cat([first[step][0], second[step][0]]), logits.grad, rtol=1e-5, atol=1e-9)
        torch.testing.assert_close(torch.cat([first[step][1], second[step][1]]), boxes.grad, rtol=1e-5, atol=1e-9)
        torch.testing.assert_close(first[step][2] + second[step][2], loss.detach(), rtol=1e-5, atol=1e-9)
    for name, buffer in cls_loss.state_dict().items():
        assert torch.equal(first_state[name], second_state[name])
        torch.testing.assert_close(first_state[name], buffer)
    for name, buffer in box_loss.state_dict().items():
        torch.testing.assert_close(first_boxes[name], second_boxes[name])
        torch.testing.assert_close(first_boxes[name], buffer)
