"""Memory of what a training saw of every object: 56 bytes an object, whatever the detector and the number of epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from torchghm.detection.detectors.harmonized import HarmonizedDetector
from torchghm.detection.examples.batch_examples import IGNORED, DetectionExamples
from torchghm.functional.arguments import check_integer
from torchghm.review.object_figures import ObjectFigures, object_figures
from torchghm.review.unlabelled_places import UnlabelledPlaces

FAST, SLOW = 0.5, 0.125
"""Smallest part that a new epoch has in the two averages of g; before that they are means of all epochs."""
POINTS = 8
"""Points of an object's trajectory of g."""
LARGEST = 2**15 - 1
"""Largest value of a count that is kept in 16 bits."""
_EPOCH = ("visits", "matched", "gradient_norm", "residual", "rival", "margin")


class LabelMemory:
    """Gathers, while a detector or a classifier trains, how well it agrees with each label.

    Nothing is trained by it and no random number is drawn. Within an epoch it only sums; `end_epoch` folds the sums
    into averages, over all ranks by annotation. An object is expected once an epoch: of several visits the means count,
    and no rival is kept.

    Arguments:
        objects: number of annotations, or rows; their places 0..objects-1 are what ``annotations`` of a target are.
        images: number of images, to remember confident detections that match no object; 0 remembers none.
        epochs: of the whole training: the trajectory's eight points are spread over them.
        device: where the sums are kept; that of the model, so that nothing is copied in a step.

    Examples:
        >>> memory = LabelMemory(objects=3, epochs=2)
        >>> logits = torch.tensor([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0]])
        >>> memory.observe_rows(logits, torch.tensor([0, 1, 1]), rows=torch.tensor([0, 1, 2]))  # the last one is wrong
        >>> memory.end_epoch()
        >>> [round(g, 2) for g in memory.columns()["gradient_norm"].tolist()]
        [0.02, 0.02, 0.98]
    """

    def __init__(self, objects: int, images: int = 0, *, epochs: int, device: torch.device | str | None = None) -> None:
        for name, value, least in (("objects", objects, 0), ("images", images, 0), ("epochs", epochs, 1)):
            check_integer(name, value, least)
        self.epochs = epochs
        self.epoch = 0
        """Finished epochs."""
        self._sums = torch.zeros(len(_EPOCH), objects, device=device)
        self._averages = torch.zeros(4, objects, device=device)  # fast and slow g, residual, margin
        self._counts = torch.zeros(4, objects, dtype=torch.int16, device=device)  # seen, unmatched, rival, its votes
        self._trajectory = torch.zeros(POINTS, objects, dtype=torch.uint8, device=device)
        self.places = UnlabelledPlaces(images, device=device) if images else None

    @property
    def objects(self) -> int:
        """Number of annotations."""
        return self._sums.shape[1]

    def bytes_per_object(self) -> int:
        """Return what is kept of one object, sums of the running epoch included."""
        kept = (self._sums, self._averages, self._counts, self._trajectory)
        return sum(tensor.element_size() * tensor.shape[0] for tensor in kept)

    def to(self, device: torch.device | str) -> LabelMemory:
        """Move everything to a device, in place."""
        for name in ("_sums", "_averages", "_counts", "_trajectory"):
            setattr(self, name, getattr(self, name).to(device))
        if self.places is not None:
            self.places.to(device)
        return self

    def watch(self, detector: nn.Module) -> None:
        """Observe every training step of a detector that `harmonize` made; of a Faster R-CNN its second stage.

        The targets need ``annotations`` [n] int64, the place of each object among all; to remember detections without
        an object also ``index``, the place of the image, and ``frame_boxes`` as `DetectionDataset` gives them.

        Raises:
            TypeError: a detector that is not harmonized.
        """
        if not isinstance(detector, HarmonizedDetector):
            raise TypeError(f"Expected argument `detector` to be made by `harmonize`, but got {type(detector)}.")
        detector.observer = self.observe

    def observe(
        self,
        examples: DetectionExamples,
        targets: Sequence[Mapping[str, Any]],
        predicted_boxes: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Take in a batch; a GPU is not waited for.

        Arguments:
            examples: what the losses saw.
            targets: of the same images; without ``annotations`` nothing is remembered.
            predicted_boxes: decodes anchors [B, k] of the examples to boxes [B, k, 4].
        """
        if not targets or any("annotations" not in target for target in targets):
            return
        rows = torch.cat([target["annotations"] for target in targets]).to(self._sums.device)
        _check_range("annotations", rows, self.objects)
        self._add(rows, object_figures(examples, rows.shape[0]))
        if self.places is not None and predicted_boxes is not None:
            self.places.observe(examples, targets, predicted_boxes)

    @torch.no_grad()
    def observe_rows(self, logits: Tensor, targets: Tensor, rows: Tensor) -> None:
        """Take in a batch of a classifier whose classes exclude each other (softmax).

        Arguments:
            logits: [N, K], K at least 2.
            targets: [N] int64, classes 0..K-1, or -100 for what is no example.
            rows: [N] int64, the place of each example among all.

        Raises:
            ValueError: a class or a place out of range, where looking at it waits for no device.
        """
        valid = targets != IGNORED
        targets = targets.where(valid, 0)
        _check_range("targets", targets, logits.shape[1])
        _check_range("rows", rows, self.objects)
        probability = logits.detach().float().softmax(1)
        own = probability.gather(1, targets[:, None])[:, 0]
        highest, rival = probability.scatter(1, targets[:, None], -1.0).max(dim=1)
        self._add(rows, ObjectFigures(torch.ones_like(own), 1 - own, 0 * own, rival, own - highest), valid)

    @torch.no_grad()
    def _add(self, rows: Tensor, figures: ObjectFigures, valid: Tensor | None = None) -> None:
        matched = figures.matched
        rival = (figures.rival + 1) * matched
        columns = (torch.ones_like(matched), matched, figures.gradient_norm, figures.residual, rival, figures.margin)
        figures_of_rows = torch.stack(columns)
        if valid is not None:
            figures_of_rows = figures_of_rows.where(valid, 0.0)
        self._sums.index_add_(1, rows, figures_of_rows.to(self._sums.device))

    @torch.no_grad()
    def end_epoch(self, summed_over_ranks: Callable[[Tensor], Tensor] = lambda sums: sums) -> None:
        """Fold the epoch's sums into the averages, and start the next epoch.

        Arguments:
            summed_over_ranks: a tensor to another one, its sum over processes; all of them have to call this.
        """
        visits, matched, gradient_norm, residual, rival, margin = summed_over_ranks(self._sums)
        seen, unmatched, kept_rival, votes = self._counts.int()
        means = torch.stack([gradient_norm, gradient_norm, residual, margin]) / matched.clamp(min=1)
        hits = (seen - unmatched + 1).float()  # epochs with a positive, this one included
        share = torch.stack([(1 / hits).clamp(min=part) for part in (FAST, SLOW, SLOW, SLOW)])
        has_positive = matched > 0
        self._averages += torch.where(has_positive, share * (means - self._averages), 0.0)
        # A vote for the class that most epochs saw as the strongest other one (Boyer and Moore).
        class_seen = torch.where((visits == 1) & has_positive, rival.int(), 0)
        vote = torch.where(class_seen == kept_rival, 1, -1) * (class_seen > 0)
        changed = (class_seen > 0) & (votes + vote < 0)
        seen = seen + (visits > 0)
        unmatched = unmatched + ((visits > 0) & ~has_positive)
        kept_rival = torch.where(changed, class_seen, kept_rival)
        votes = torch.where(changed, 1, votes + vote)
        self._counts = torch.stack([seen, unmatched, kept_rival, votes]).clamp(max=LARGEST).to(torch.int16)
        point = min(POINTS - 1, self.epoch * POINTS // self.epochs)
        level = (1 + means[0].clamp(0, 1) * 254).round().to(torch.uint8)
        self._trajectory[point] = torch.where(has_positive, level, self._trajectory[point])
        self._sums.zero_()
        if self.places is not None:
            self.places.end_epoch(summed_over_ranks)
        self.epoch += 1

    def columns(self) -> dict[str, Tensor]:
        """Return what is known of each object, on the CPU.

        Returns:
            ``gradient_norm`` (the fast average, [n] in [0, 1]), ``slow_gradient_norm``, ``slope`` (fast less slow),
            ``residual`` (1 - IoU), ``margin`` (probability of its class less the strongest other's), ``seen`` (epochs),
            ``unmatched`` (of them those in which no anchor was its positive), ``rival`` (the competing class, -1 for
            none) and ``trajectory`` [n, 8], g at eight times of the training, NaN where it was not seen.
        """
        fast, slow, residual, margin = self._averages.cpu()
        seen, unmatched, rival, _ = self._counts.cpu().int()
        trajectory = (self._trajectory.cpu().float().T - 1) / 254
        return {
            "gradient_norm": fast,
            "slow_gradient_norm": slow,
            "slope": fast - slow,
            "residual": residual,
            "margin": margin,
            "seen": seen,
            "unmatched": unmatched,
            "rival": rival - 1,
            "trajectory": torch.where(trajectory < 0, torch.nan, trajectory),
        }

    def state_dict(self, summed_over_ranks: Callable[[Tensor], Tensor] = lambda sums: sums) -> dict[str, Any]:
        """Return all that a run that goes on has to know, also from within an epoch.

        Arguments:
            summed_over_ranks: as for `end_epoch`.
        """
        state = {
            "epochs": self.epochs,
            "epoch": self.epoch,
            "sums": summed_over_ranks(self._sums).clone(),
            "averages": self._averages.clone(),
            "counts": self._counts.clone(),
            "trajectory": self._trajectory.clone(),
        }
        if self.places is not None:
            state["places"] = self.places.state_dict(summed_over_ranks)
        return state

    def load_state_dict(self, state: Mapping[str, Any], *, first: bool = True) -> None:
        """Go on from there.

        Arguments:
            state: of all ranks.
            first: whether this rank is the one that has the sums of the running epoch from now on.

        Raises:
            ValueError: a memory of another number of objects.
        """
        if state["sums"].shape != self._sums.shape:
            raise ValueError(
                f"Expected a memory of {self.objects} objects, but got one of {state['sums'].shape[1]}: the data are "
                "not those that the run was started with."
            )
        device = self._sums.device
        self.epochs, self.epoch = state["epochs"], state["epoch"]
        self._sums = state["sums"].to(device).clone() if first else torch.zeros_like(self._sums)
        self._averages = state["averages"].to(device).clone()
        self._counts = state["counts"].to(device).clone()
        self._trajectory = state["trajectory"].to(device).clone()
        if self.places is not None and "places" in state:
            self.places.load_state_dict(state["places"], first=first)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LabelMemory:
        """Return the memory of a checkpoint, on the CPU."""
        images = state["places"]["kept"].shape[0] if "places" in state else 0
        memory = cls(state["sums"].shape[1], images, epochs=state["epochs"])
        memory.load_state_dict(state)
        return memory


def _check_range(argument: str, values: Tensor, end: int) -> None:
    """Refuse integers outside 0..end-1, on a CPU alone: a GPU would have to be waited for."""
    if values.is_cpu and values.numel() and not (int(values.min()) >= 0 and int(values.max()) < end):
        raise ValueError(
            f"Expected argument `{argument}` to be integers from 0 to {end - 1}, but got values from "
            f"{int(values.min())} to {int(values.max())}."
        )
