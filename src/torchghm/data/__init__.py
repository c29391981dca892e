"""From a data set on disk to samples for a detector.

`load_data` reads COCO, Pascal VOC and YOLO folders and tar shards into one in-memory form; `DetectionDataset` reads
their images when they are asked for; `check_data` says what is in a data set and what is wrong with it; `write_shards`
packs one into shards, `write_data` writes it in another layout; `write_noisy` puts known errors into its training
labels; `write_scenes` makes one of real digits on real photographs.
"""

from typing import TYPE_CHECKING, Any

from torchghm.data.images import ImageError, read_image
from torchghm.data.load import DetectionData, load_data
from torchghm.data.problem_kinds import KINDS
from torchghm.data.problems import DataError, Problem
from torchghm.data.records import ImageRecord, Records
from torchghm.data.reporting.check import DataCheck, SplitCount, check_data
from torchghm.data.reporting.check_page import write_check_page
from torchghm.data.scenes.scene_writing import write_scenes
from torchghm.data.shards.shard_writing import write_shards
from torchghm.data.writing.conversion import split_data, write_data
from torchghm.data.writing.noisy_data import write_noisy

if TYPE_CHECKING:
    from torchghm.data.loading.dataset import DetectionDataset, collate
    from torchghm.data.loading.transforms import evaluation_transforms, training_transforms

__all__ = [
    "KINDS",
    "DataCheck",
    "DataError",
    "DetectionData",
    "DetectionDataset",
    "ImageError",
    "ImageRecord",
    "Problem",
    "Records",
    "SplitCount",
    "check_data",
    "collate",
    "evaluation_transforms",
    "load_data",
    "read_image",
    "split_data",
    "training_transforms",
    "write_check_page",
    "write_data",
    "write_noisy",
    "write_scenes",
    "write_shards",
]

# torchvision takes seconds to import, and whoever checks or makes data does not need it.
_WITH_TORCHVISION = {
    "DetectionDataset": "loading.dataset",
    "collate": "loading.dataset",
    "evaluation_transforms": "loading.transforms",
    "training_transforms": "loading.transforms",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCHVISION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_WITH_TORCHVISION[name]}"), name)
