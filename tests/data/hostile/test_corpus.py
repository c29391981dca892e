"""Every broken data set ends in a correct load, or in one error that names the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.hostile import coco_cases, image_cases, shard_cases, voc_cases, yolo_cases
from tests.data.hostile.outcomes import Case, Loads
from tests.data.layouts import write_coco, write_image, write_voc, write_yolo

from torchghm.data import load_data, write_shards


def write_sharded_coco(root: Path) -> Path:
    folder = write_coco(root.parent / "folder")
    return write_shards(load_data(folder), root)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
    "shards": write_sharded_coco,
}
CASES: dict[str, list[Case]] = {
    "coco": [*coco_cases.CASES, *image_cases.cases("coco")],
    "voc": [*voc_cases.CASES, *image_cases.cases("voc")],
    "yolo": [*yolo_cases.CASES, *image_cases.cases("yolo")],
    "shards": shard_cases.CASES,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the data folder will be, beside what does not belong to it."""
    write_image(tmp_path / "secret.png")
    (tmp_path / "secret.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "outside").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize("layout", WRITERS)
def test_the_good_data_load(place, layout):
    Loads().verify(WRITERS[layout](place))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("layout", "harm", "outcome"),
    [
        pytest.param(layout, harm, outcome, id=f"{layout}-{name}")
        for layout, cases in CASES.items()
        for name, harm, outcome in cases
    ],
)
def test_case(place, layout, harm, outcome):
    root = WRITERS[layout](place)
    harm(root)
    outcome.verify(root)
