"""The weights of a whole detector to start from: an earlier run's, torchvision's of COCO, or a state dict's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

from torch import Tensor
from torchvision.models import get_model_weights

from torchghm.detection.backbones.backbone_weights import read_state_dict, state_dict_difference, tensor_shape
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.module import CHECKPOINT_KEY, DetectorModule, is_loss_state
from torchghm.training.recipes.files import load_recipe
from torchghm.training.run_folder import RunFolder

TORCHVISION = "torchvision"
"""Stands for torchvision's weights of the detector, trained on COCO."""
COCO_DETECTORS = {
    "retinanet": "retinanet_resnet50_fpn",
    "retinanet_v2": "retinanet_resnet50_fpn_v2",
    "fcos": "fcos_resnet50_fpn",
    "ssd300": "ssd300_vgg16",
    "ssdlite320": "ssdlite320_mobilenet_v3_large",
    "faster_rcnn": "fasterrcnn_resnet50_fpn",
    "faster_rcnn_v2": "fasterrcnn_resnet50_fpn_v2",
    "faster_rcnn_mobilenet": "fasterrcnn_mobilenet_v3_large_fpn",
}
"""torchvision's name of each detector that it has trained on COCO."""
CLASS_HEADS = ("head.classification_head.cls_logits", "head.classification_head.module_list", "roi_heads.box_predictor")
"""Layers of which there are as many outputs as classes; of an SSD a layer for each level."""
_EXPECTED = f"a run, a checkpoint, the file of a state dict, or {TORCHVISION}"


class _Initial(NamedTuple):
    source: str
    state: Mapping[str, Any]
    classes: tuple[str, ...] | None
    """None where they are not known."""


def load_initial_weights(module: DetectorModule) -> tuple[str, ...]:
    """Give a new detector the weights that its recipe's `model.init` names, in place; its losses stay new.

    The layers that have an output for each class start anew where the classes are others: of a run by their names, of
    a state dict by their number.

    Arguments:
        module: to be trained.

    Returns:
        Names of the layers that start anew.

    Raises:
        FileNotFoundError: no such run or file.
        ValueError: the weights are of another detector, and the first tensor that differs is named; or torchvision has
            none of this detector.
        ConnectionError: torchvision's weights could not be downloaded.
    """
    init = module.recipe.model.init
    if init is None:
        return ()
    initial = _read(init, module.recipe.model.detector)
    own = {name: value for name, value in module.detector.state_dict().items() if not is_loss_state(name)}
    given = {name: value for name, value in initial.state.items() if not is_loss_state(name)}
    heads = {name for name in own if name.startswith(CLASS_HEADS)}
    others = initial.classes is not None and initial.classes != module.classes
    if others or any(name in given and tensor_shape(given[name]) != own[name].shape for name in heads):
        given = {name: value for name, value in given.items() if not name.startswith(CLASS_HEADS)}
    else:
        heads = set()
    _check(given, {name: value for name, value in own.items() if name not in heads}, initial.source)
    module.detector.load_state_dict(module.detector.state_dict() | {name: given[name] for name in own if name in given})
    return tuple(sorted({name.rpartition(".")[0] for name in heads}))


def _read(init: str, detector: str) -> _Initial:
    if init == TORCHVISION:
        if detector not in COCO_DETECTORS:
            raise ValueError(
                f"Expected `model.init` to be a run, a checkpoint or the file of a state dict for {detector}, "
                f"of which torchvision has no weights, but got {init!r}"
            )
        return _Initial(f"torchvision's {COCO_DETECTORS[detector]}", _coco_weights(detector), None)
    path = Path(init)
    if path.is_dir():
        folder = RunFolder(path)
        if not folder.recipe.is_file():
            raise FileNotFoundError(
                f"Expected `model.init` to be {_EXPECTED}, but got the folder {init!r}, which holds no run"
            )
        path = folder.checkpoint(load_recipe(folder.recipe).trainer.evaluate_checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f"Expected `model.init` to be {_EXPECTED}, but got {init!r}: {path} is not a file")
    state = read_state_dict(path, _EXPECTED)
    if CHECKPOINT_KEY not in state:
        return _Initial(f"the state dict {path}", state, None)
    saved = load_checkpoint(path)
    if saved.recipe.model.detector != detector:
        raise ValueError(
            f"Expected `model.init` to be of the detector {detector}, but {str(path)!r} is of a "
            f"{saved.recipe.model.detector}: set model.detector"
        )
    weights = saved.content["state_dict"]
    return _Initial(
        f"the checkpoint {path}",
        {name.removeprefix("detector."): value for name, value in weights.items() if name.startswith("detector.")},
        saved.classes,
    )


def _coco_weights(detector: str) -> Mapping[str, Any]:
    weights: Any = get_model_weights(COCO_DETECTORS[detector])
    try:
        state: Mapping[str, Any] = weights.DEFAULT.get_state_dict(progress=False, check_hash=True)
    except URLError as error:
        raise ConnectionError(
            f"model.init: torchvision's weights of {COCO_DETECTORS[detector]} could not be downloaded "
            f"({error.reason}): name a file of them, or null"
        ) from error
    return state


def _check(given: Mapping[str, Any], wanted: Mapping[str, Tensor], source: str) -> None:
    """Refuse tensors that are missing, of another shape, or without a place; frozen batch norm counts no batches."""
    one_sided = {name for name in given.keys() ^ wanted.keys() if name.endswith("num_batches_tracked")}
    difference = state_dict_difference(
        {name: value for name, value in given.items() if name not in one_sided},
        {name: value for name, value in wanted.items() if name not in one_sided},
    )
    if difference:
        raise ValueError(
            f"Expected `model.init`, {source}, to fit the recipe's detector, but {difference}: model.backbone and the "
            "other options of the model have to be those that it was trained with"
        )
