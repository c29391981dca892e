"""Detectors of Transformers so small that a step takes a blink, built without a download, and a batch for them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[hosts]'")

CLASSES = 4
QUERIES = 10
_ENCODED = {"encoder_hidden_dim": 16, "encoder_in_channels": [16, 16, 16], "encoder_ffn_dim": 16}
_HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
_QUERIES = {"d_model": 16, "num_queries": QUERIES, "decoder_layers": 3, "num_labels": CLASSES}


def _stages() -> Any:
    return transformers.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )


def _last_stage() -> Any:
    return transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )


def _hybrid(family: str, **options: Any) -> Any:
    config = getattr(transformers, f"{family}Config")(
        backbone_config=_stages(), decoder_in_channels=[16] * 3, **{**_ENCODED, **_HEADS, **_QUERIES, **options}
    )
    return getattr(transformers, f"{family}ForObjectDetection")(config)


def _plain(family: str, **options: Any) -> Any:
    options.pop("num_denoising", None)
    if family == "DeformableDetr":
        options["d_model"] = 32  # of group norm
    config = getattr(transformers, f"{family}Config")(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=_last_stage(),
        encoder_layers=1,
        encoder_ffn_dim=16,
        auxiliary_loss=True,
        **{**_HEADS, **_QUERIES, **options},
    )
    return getattr(transformers, f"{family}ForObjectDetection")(config)


BUILD = {
    "RTDetr": _hybrid,
    "RTDetrV2": _hybrid,
    "DFine": _hybrid,
    "Detr": _plain,
    "ConditionalDetr": _plain,
    "DeformableDetr": _plain,
    "DabDetr": _plain,
}


def build(family: str, seed: int = 0, **options: Any) -> Any:
    """A detector in training mode, always the same; dropout is off, so that it is a function of its input."""
    torch.manual_seed(seed)
    if "dropout" not in options:
        options |= {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
    return BUILD[family](family, **options).train()


def batch(images: int = 2) -> dict[str, Any]:
    """Images and as many objects in each."""
    torch.manual_seed(1)
    labels = [
        {
            "class_labels": torch.tensor([index % CLASSES, 3]),
            "boxes": torch.tensor([[0.5, 0.5, 0.3, 0.2], [0.3, 0.3, 0.2, 0.1 + 0.05 * index]]),
        }
        for index in range(images)
    ]
    return {"pixel_values": torch.rand(images, 3, 64, 64), "labels": labels}
