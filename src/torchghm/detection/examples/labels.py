"""Labels without a background class for detectors that have one."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform


class LabelsFromZero(GeneralizedRCNNTransform):  # type: ignore[misc]
    """The first and last step of a torchvision detector, where labels 0..K-1 become columns 1..K and back.

    Both ways through the detector lead through here: training, evaluation and harmonized losses agree on the labels.
    """

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """Return the batch, and the targets in its coordinates."""
        batch, scaled = super().forward(images, targets)
        if scaled is not None:
            scaled = [{**target, "labels": target["labels"] + 1} for target in scaled]
        return batch, scaled

    def postprocess(
        self,
        result: list[dict[str, Tensor]],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """Return the detections in the coordinates of the original images."""
        detections = super().postprocess(result, image_shapes, original_image_sizes)
        return [{**found, "labels": found["labels"] - 1} for found in detections]


def check_labels(targets: list[dict[str, Tensor]], lowest: int) -> None:
    """Refuse labels below the first class, which would silently be background; a GPU is not waited for.

    Raises:
        ValueError: a label below ``lowest``.
    """
    for index, target in enumerate(targets):
        labels = target["labels"]
        if labels.device.type == "cpu" and not torch.compiler.is_compiling() and bool((labels < lowest).any()):
            found = f"{int(labels.min())} in targets[{index}]"
            raise ValueError(f"Expected argument `targets` to hold labels from {lowest}, but got {found}.")
