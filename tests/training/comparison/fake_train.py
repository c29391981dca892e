"""A training that writes the results of a table, for tests of what a comparison makes of them."""

from __future__ import annotations

import json
from pathlib import Path

from torchghm.atomic_files import write_json
from torchghm.training.recipes.recipe import Recipe

CE, FOCAL, GHM = ("ce", "smooth_l1"), ("focal", "smooth_l1"), ("ghmc", "ghmr")
AP = {"ce+smooth_l1": [0.40, 0.42, 0.38], "focal+smooth_l1": [0.50, 0.53, 0.47], "ghmc+ghmr": [0.42, 0.40, 0.39]}
RECIPE = Recipe().with_values(
    {
        "data.image_size": [64, 64],
        "data.batch_size": 1,
        "data.workers": 0,
        "trainer.max_steps": 2,
        "trainer.epochs": 1,
        "trainer.accelerator": "cpu",
    }
)


class FakeTrain:
    """Writes the results of a table instead of training; raises `error` instead of the call number `fails_at`."""

    def __init__(self, fails_at: int | None = None, error: BaseException | None = None, **results) -> None:
        self.calls: list[dict] = []
        self.fails_at, self.error, self.results = fails_at, error or KeyboardInterrupt(), results

    def __call__(self, data, *, recipe, out, resume, progress):
        self.calls.append({"recipe": recipe, "out": out, "resume": resume, "progress": progress})
        if len(self.calls) == self.fails_at:
            write_json(out / "checkpoints" / "last.ckpt", {})
            raise self.error
        ap = AP[f"{recipe.loss.cls}+{recipe.loss.box}"][recipe.seed]
        metrics = {"ap": ap, "ap50": 1.5 * ap, "ap75": 0.9 * ap, "ap_small": None, "ap_medium": ap, "ap_large": ap}
        results = {"cls": recipe.loss.cls, "box": recipe.loss.box, "seed": recipe.seed, "epochs": 2, "steps": 1500}
        results |= {"split": recipe.data.evaluate, "metrics": metrics, **self.results}
        write_json(out / "versions.json", {"torchghm": "0.1.0", "device": "cpu"})
        (out / "results.json").write_text(json.dumps(results))
        return results

    @property
    def order(self) -> list[tuple[str, int]]:
        return [(call["out"].parent.name, call["recipe"].seed) for call in self.calls]


def table(out: Path) -> dict:
    return json.loads((out / "comparison.json").read_text())
