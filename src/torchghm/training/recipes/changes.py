"""Changes of a recipe: options go with the loss or the detector that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchghm.detector_names import DETECTORS, TWO_STAGE_DETECTORS, has_option
from torchghm.training.recipes.model_section import DETECTOR_OPTIONS
from torchghm.training.recipes.named_losses import DEFAULT_LOSSES
from torchghm.training.recipes.values import merged

COMPUTING_KEYS = frozenset(
    {
        "name",
        "data.shards_at",
        "data.workers",
        "data.eval_batch_size",
        "trainer.accelerator",
        "trainer.devices",
        "trainer.num_nodes",
        "trainer.logger",
        "trainer.on_nonfinite",
        "trainer.checkpoint_steps",
    }
)
"""Keys that say where and with how many helpers a run computes, not what; and what to do with a step that is not
finite, of which a finished run had none."""


def apply_changes(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a recipe with changes applied.

    Another loss starts without the options and weight of the former, another detector without the options that it does
    not have.
    """
    base = _for_detector(base, changes.get("model"))
    old, new = base.get("loss"), changes.get("loss")
    if isinstance(new, dict):
        kept = dict(old or {})
        for kind, default in DEFAULT_LOSSES.items():
            former = kept.get(kind, default)
            if new.get(kind, former) != former:
                kept.pop(f"{kind}_options", None)
                kept.pop(f"{kind}_weight", None)
        base = {**base, "loss": kept}
    return merged(base, changes)


def _for_detector(base: Mapping[str, Any], changes: Any) -> Mapping[str, Any]:
    detector = changes.get("detector") if isinstance(changes, dict) else None
    if detector not in DETECTORS:
        return base
    model, data = dict(base.get("model") or {}), dict(base.get("data") or {})
    for option in DETECTOR_OPTIONS:
        if not has_option(detector, option):
            model.pop(option, None)
    if not has_option(detector, "image_size"):
        data.pop("image_size", None)
        data.pop("multi_scale", None)
    loss = dict(base.get("loss") or {})
    if detector not in TWO_STAGE_DETECTORS:
        loss.pop("stage", None)
    return {**base, "model": model, "data": data, "loss": loss}
