"""The classification loss of a host and GHM-C in its place, alone: forward and backward to the logits.

As the hosts call them: the targets of Ultralytics' assigner [B, A, K] and RT-DETR's matched queries are given, and the
integrations' own work on logits and targets is in the time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor

import torchghm
from benchmarks.speed.measure import Step

Task = Literal["token", "causal_lm"]


def _backward(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Step:
    def run() -> None:
        logits.grad = None
        loss(logits).backward()

    return run


def _task_aligned() -> dict[str, Step]:
    """YOLO at 640 pixels: 8,400 points an image, 80 classes, ten positives an object."""
    from torchghm.integrations.branches import BranchLosses
    from torchghm.integrations.ultralytics.criteria import TaskAlignedEntropy

    images, points, classes = 4, 8400, 80
    targets = torch.zeros(images, points, classes)
    for image in range(images):
        chosen = torch.randperm(points)[:70]
        targets[image, chosen, torch.randint(classes, (70,))] = torch.rand(70)
    logits = (torch.randn(images, points, classes) - 5).requires_grad_()
    total = targets.sum().clamp(min=1)
    own = torch.nn.BCEWithLogitsLoss(reduction="none")
    ours = TaskAlignedEntropy(BranchLosses(torchghm.GHMCLoss()), "one2many")
    return {
        "own": _backward(lambda scores: own(scores, targets).sum() / total, logits),
        "GHM": _backward(lambda scores: ours(scores, targets).sum() / total, logits),
    }


def _matched_queries() -> dict[str, Step]:
    """RT-DETR: 300 queries an image, 80 classes, ten objects."""
    import transformers
    from transformers.loss.loss_rt_detr import RTDetrLoss

    from torchghm.integrations.transformers import harmonize

    images, queries, objects = 4, 300, 10
    config = transformers.RTDetrConfig(num_labels=80)  # the model has to be there, and computes nothing
    targets = [
        {"class_labels": torch.randint(80, (objects,)), "boxes": torch.rand(objects, 4) / 4 + 0.3}
        for _ in range(images)
    ]
    indices = [(torch.randperm(queries)[:objects], torch.arange(objects)) for _ in range(images)]
    boxes = torch.rand(images, queries, 4) / 4 + 0.3
    logits = (torch.randn(images, queries, 80) - 5).requires_grad_()

    model: Any = harmonize(transformers.RTDetrForObjectDetection(config).train(), torchghm.GHMCLoss())
    own = RTDetrLoss(config)
    ours: Any = model.loss_function.detector.ours(config)
    ours.harmonized, ours._names = model.loss_function, {}

    def of(criterion: Any) -> Callable[[Tensor], Tensor]:
        def loss(scores: Tensor) -> Tensor:
            outputs = {"logits": scores, "pred_boxes": boxes}
            value: Tensor = criterion.get_loss("vfl", outputs, targets, indices, images * objects)["loss_vfl"]
            return value

        return loss

    return {"own": _backward(of(own), logits), "GHM": _backward(of(ours), logits)}


def _rows(shape: tuple[int, int, int], task: Task) -> dict[str, Step]:
    """Transformers' Trainer: logits [sentences, tokens, classes]."""
    from transformers.loss.loss_utils import LOSS_MAPPING

    from torchghm.integrations.transformers.tasks import TaskLoss

    sentences, tokens, classes = shape
    labels = torch.randint(classes, (sentences, tokens))
    logits = torch.randn(shape, requires_grad=True)
    if task == "token":
        own = partial(LOSS_MAPPING["ForTokenClassification"], config=SimpleNamespace(num_labels=classes))
    else:
        own = partial(LOSS_MAPPING["ForCausalLM"], vocab_size=classes)
    ours = TaskLoss(torch.nn.Identity(), torchghm.GHMCLoss(activation="softmax"), task)
    return {
        "own": _backward(lambda scores: own(logits=scores, labels=labels), logits),
        "GHM": _backward(lambda scores: ours.of_logits(scores, labels), logits),
    }


LOSSES: dict[str, Callable[[], dict[str, Step]]] = {
    "Ultralytics, 4 x 8,400 x 80": _task_aligned,
    "Transformers RT-DETR, 4 x 300 x 80": _matched_queries,
    "Transformers tokens, 16 x 128 x 9": lambda: _rows((16, 128, 9), "token"),
    "Transformers causal, 2 x 256 x 32,000": lambda: _rows((2, 256, 32000), "causal_lm"),
}
