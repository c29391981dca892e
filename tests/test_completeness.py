"""Tables that a new loss, detector, comparison or test file has to be in, besides those that are checked in place."""

import re
from pathlib import Path
from typing import get_args

import pytest

import torchghm
from tests.conftest import SLOW
from tests.detection.test_architectures import CONSTRUCTORS
from tests.losses.rivals.test_rivals import SIGMOID, SOFTMAX
from tests.training.recipes.test_detector import RIVALS
from tests.training.test_initial_weights import PUBLISHED
from torchghm.data.reading import LAYOUTS
from torchghm.detection import DETECTORS, build_detector
from torchghm.detector_names import TWO_STAGE_DETECTORS
from torchghm.losses import rivals
from torchghm.training.initial_weights import COCO_DETECTORS
from torchghm.training.recipes.named_losses import BOX_LOSSES, CLS_LOSSES
from torchghm.training.recipes.sections import DataRecipe

ROOT = Path(__file__).parent.parent
COMPARING = (ROOT / "docs" / "comparing.md").read_text()


def test_every_rival_is_public_and_tested():
    assert set(rivals.__all__) <= set(torchghm.__all__)
    assert {build.__name__ for build, _ in (*SIGMOID.values(), *SOFTMAX.values())} == set(rivals.__all__)
    names = {name for name, choice in CLS_LOSSES.items() if choice.path in rivals.__all__}
    assert {name for name, *_ in RIVALS} == names


@pytest.mark.parametrize("name", [*CLS_LOSSES, *BOX_LOSSES])
def test_every_loss_is_in_the_table_of_losses(name):
    assert re.search(rf"^\|.*`{name}`", COMPARING, re.MULTILINE)


def test_every_comparison_is_in_the_table_of_comparisons():
    presets = {path.stem for path in (ROOT / "src" / "torchghm" / "recipes" / "comparisons").glob("*.yaml")}
    assert presets
    assert {name for name in presets if f"`{name}`" not in COMPARING} == set()


def test_every_detector_of_coco_has_a_test_of_its_weights():
    assert set(COCO_DETECTORS) == set(PUBLISHED) <= set(DETECTORS)


def test_every_detector_is_compared_with_its_constructor():
    assert set(CONSTRUCTORS) >= set(DETECTORS)


def test_every_layout_is_in_recipes_in_the_command_s_help_and_in_the_docs():
    in_recipes, _ = get_args(DataRecipe.model_fields["layout"].annotation)
    assert set(get_args(in_recipes)) == set(LAYOUTS)
    help_of_layout = re.search(r'"--layout", help="([^;]*);', (ROOT / "src/torchghm/cli/data.py").read_text())
    assert set(re.split(r", | or ", help_of_layout[1])) == set(LAYOUTS)
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "data.md").read_text(), re.MULTILINE)
    assert set(rows) >= set(LAYOUTS)


@pytest.mark.parametrize("page", ["detectors", "training"])
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_is_in_the_docs(name, page):
    assert f"`{name}`" in (ROOT / "docs" / f"{page}.md").read_text().replace("model.detector=", "")


def test_detectors_of_two_stages_are_those_with_proposals():
    import torch

    with torch.device("meta"):
        models = {name: build_detector(name, num_classes=2) for name in DETECTORS}
    assert {name for name, model in models.items() if hasattr(model, "rpn")} == set(TWO_STAGE_DETECTORS)


def test_files_that_texts_name_are_there():
    texts = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {
        place
        for text in texts
        for place in re.findall(
            r"(?<![\w/.-])((?:tests|src|benchmarks|examples)/[\w/.-]*(?:\.\w+|/))", text.read_text()
        )
    }
    assert named
    assert {place for place in {*named, *SLOW} if "NAME" not in place and not (ROOT / place).exists()} == set()
