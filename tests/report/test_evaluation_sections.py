"""The sections of a run that was evaluated, in a page with names that a browser must not take for markup."""

import json
import shutil
from dataclasses import asdict

import pytest
from tests.report.conftest import HOSTILE
from tests.results.synthetic_folders import write_run
from tests.training.evaluation.diagnosis.random_images import random_image, seen

from torchghm.report import write_report
from torchghm.report.evaluation_sections import evaluation_sections
from torchghm.results.evaluation import Evaluation
from torchghm.results.run import read_run
from torchghm.training.evaluation.diagnosis.diagnose import diagnose

NAMES = HOSTILE[:3]


@pytest.fixture
def evaluated(tmp_path):
    folder = write_run(tmp_path / "run", classes=NAMES)
    images = [seen(*random_image(seed)) for seed in range(40)]
    found, _ = diagnose(images[:20], NAMES, chosen_on="val", validation=images[20:])
    evaluation = Evaluation("run/checkpoints/last.ckpt", "test", 20, NAMES, {"ap": 0.5}, dict.fromkeys(NAMES), found)
    (folder / "evaluation.json").write_text(json.dumps(asdict(evaluation)))
    shutil.copy(folder / "samples.json", folder / "worst_images.json")
    return folder


def test_a_run_that_was_evaluated_shows_it(evaluated):
    thresholds, errors, worst = evaluation_sections(read_run(evaluated))
    found = read_run(evaluated).evaluation.diagnosis
    assert "on test; each threshold is the one with the largest F1 on val" in thresholds.caption
    assert thresholds.table.rows[0][:3] == (
        "all together", str(found.overall.objects), f"{found.overall.threshold:.2f}"
    )  # fmt: skip
    assert errors.table.rows[1][1:] == tuple(str(found.errors[kind][NAMES[1]]) for kind in found.errors)
    assert len(worst.groups[0][1]) == 2
    page = write_report(evaluated).read_text()
    places = [page.index(f'id="{name}"') for name in ("thresholds", "samples", "errors", "worst-images", "over-epochs")]
    assert places == sorted(places)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_without_an_evaluation_there_is_no_section(run_folder):
    assert evaluation_sections(read_run(run_folder)) == []


def test_a_malformed_evaluation_is_named(evaluated):
    content = json.loads((evaluated / "evaluation.json").read_text())
    content["diagnosis"]["confusion"][0] = [1]
    (evaluated / "evaluation.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"confusion.row` in .*evaluation.json to be a list of 4 numbers"):
        read_run(evaluated)
