"""MONAI's RetinaNet, in two and three dimensions, through its own setters."""

from __future__ import annotations

from typing import Any, TypeVar

from torchghm.integrations.hosts import check_installed, warn_untested

check_installed("monai", "pip install 'torchghm[monai]'")

from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from torchghm.integrations.arguments import check_host_losses  # noqa: E402
from torchghm.integrations.queries import check_label_range  # noqa: E402

Detector = TypeVar("Detector", bound=nn.Module)


class HarmonizedRetinaNetDetector(RetinaNetDetector):  # type: ignore[misc]
    """Made by `harmonize`: checks labels, and asks the box loss also where no anchor matched an object."""

    harmonized: dict[str, nn.Module]
    """Losses that `harmonize` set, by attribute: another one there would train without ours, and say nothing."""

    def compute_loss(
        self, head_outputs_reshape: Any, targets: Any, anchors: Any, num_anchor_locs_per_level: Any
    ) -> Any:
        """Return the host's dictionary of losses.

        Raises:
            ValueError: labels outside 0 to K - 1.
            RuntimeError: a loss that was replaced after `harmonize`, and would not be called.
        """
        check_label_range([target[self.target_label_key] for target in targets], self.num_classes)
        for name, loss in self.harmonized.items():
            if getattr(self, name) is not loss:
                raise RuntimeError(
                    f"The harmonized {name} of this {type(self).__name__} is never called: it was replaced by "
                    f"{type(getattr(self, name)).__name__} after harmonize(). Call harmonize() last."
                )
        return super().compute_loss(head_outputs_reshape, targets, anchors, num_anchor_locs_per_level)

    def compute_box_loss(self, box_regression: Tensor, targets: Any, anchors: Any, matched_idxs: Any) -> Tensor:
        """Return the box loss; without any positive 0 with a graph, after the sum over ranks."""
        if any(bool((matched >= 0).any()) for matched in matched_idxs):
            loss: Tensor = super().compute_box_loss(box_regression, targets, anchors, matched_idxs)
            return loss
        empty = box_regression.flatten(0, -2)[:0]
        none: Tensor = self.box_loss_func(empty, empty.detach())
        return none


def harmonize(detector: Detector, cls_loss: nn.Module | None = None, box_loss: nn.Module | None = None) -> Detector:
    """Give a MONAI detector harmonized losses, in place.

    The losses become submodules ``cls_loss_func`` and ``box_loss_func``: they move, are saved and change their mode
    with the detector. Its sampler of negatives is taken out, which would select before the loss does.

    Arguments:
        detector: a `RetinaNetDetector` of two or three dimensions, in training mode while it trains.
        cls_loss: with ``activation="sigmoid"``, of all anchors of a batch; None keeps the detector's.
        box_loss: of encoded boxes [P, 4] or [P, 6] of all positive anchors; None keeps the detector's.

    Returns:
        ``detector``.

    Raises:
        TypeError: another detector.
        ValueError: a loss whose options don't fit.
        RuntimeError: in the first step, where a loss was replaced since.
    """
    warn_untested("monai")
    if type(detector) not in (RetinaNetDetector, HarmonizedRetinaNetDetector):
        raise TypeError(
            "Expected argument `detector` to be monai.apps.detection's RetinaNetDetector, but got "
            f"{type(detector).__module__}.{type(detector).__qualname__}, which may override what would be replaced."
        )
    check_host_losses(cls_loss, box_loss)
    retinanet: Any = detector
    own = {"cls_loss_func": cls_loss, "box_loss_func": box_loss}
    before = getattr(retinanet, "harmonized", {})
    retinanet.harmonized = {**before, **{name: loss for name, loss in own.items() if loss is not None}}
    retinanet.__class__ = HarmonizedRetinaNetDetector
    if cls_loss is not None:
        retinanet.set_cls_loss(cls_loss)
        retinanet.fg_bg_sampler = None
    if box_loss is not None:
        retinanet.set_box_regression_loss(box_loss, encode_gt=True, decode_pred=False)
    return detector
