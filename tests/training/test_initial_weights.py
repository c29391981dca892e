"""Starting from a whole detector: what is taken over, what starts anew, what is refused."""

import pytest
import torch
from tests.training.tiny import TINY

from torchghm.training import train
from torchghm.training.initial_weights import COCO_DETECTORS, load_initial_weights
from torchghm.training.loop.checkpoints import load_checkpoint
from torchghm.training.loop.module import DetectorModule

HEAD = "head.classification_head.cls_logits"
CLASSES = ("ant", "bee", "cow")


def started(init, classes=CLASSES, **changes):
    values = {f"model.{name}": value for name, value in changes.items()}
    module = DetectorModule(TINY.with_values({"model.init": str(init), "seed": 5, **values}), classes)
    return module, load_initial_weights(module)


def differing(module, state):
    own = module.detector.state_dict()
    return {name for name, value in own.items() if "_loss" not in name and not torch.equal(value, state[name])}


@pytest.fixture(scope="module")
def weights(trained):
    content = load_checkpoint(trained.folder.last).content["state_dict"]
    return {name.removeprefix("detector."): value.clone() for name, value in content.items()}


def test_a_run_of_the_same_classes_gives_all_layers_and_no_density(trained, weights):
    module, anew = started(trained.folder.path)
    assert anew == ()
    assert not differing(module, weights)
    fresh = DetectorModule(TINY, CLASSES).detector.cls_loss.state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in module.detector.cls_loss.state_dict().items())


@pytest.mark.parametrize("classes", [("bee", "ant", "cow"), ("ant", "bee"), ("a", "b", "c", "d")])
def test_layers_of_other_classes_start_anew(trained, weights, classes):
    module, anew = started(trained.folder.last, classes)
    assert anew == (HEAD,)
    new = DetectorModule(TINY.with_values({"seed": 5}), classes).detector.state_dict()
    for name, value in module.detector.state_dict().items():
        if "_loss" not in name:
            assert torch.equal(value, new[name] if name.startswith(HEAD) else weights[name]), name


def test_a_state_dict_is_compared_by_shapes(weights, tmp_path):
    state = {name: value for name, value in weights.items() if "_loss" not in name}
    torch.save(state, tmp_path / "same.pt")
    module, anew = started(tmp_path / "same.pt")
    assert (anew, differing(module, weights)) == ((), set())
    _, anew = started(tmp_path / "same.pt", ("x",))
    assert anew == (HEAD,)


RESNET50 = {"model.backbone": "resnet50"}
OWN_BOXES = {"loss.box": "own"}
PUBLISHED = {
    "ssdlite320": {},
    "ssd300": {},
    "fcos": RESNET50,
    "retinanet": {**RESNET50, "model.head_norm": "none"},
    "retinanet_v2": RESNET50,
    "faster_rcnn": {**RESNET50, **OWN_BOXES},
    "faster_rcnn_v2": {**RESNET50, **OWN_BOXES},
    "faster_rcnn_mobilenet": OWN_BOXES,
}
"""The values of a recipe that make each detector the one which torchvision trained on COCO."""


@pytest.mark.parametrize("detector", PUBLISHED)
def test_torchvision_detectors_of_coco_fit(detector, tmp_path):
    from torchvision.models import get_model

    host = get_model(COCO_DETECTORS[detector], weights=None, weights_backbone=None, num_classes=91)
    torch.save(host.state_dict(), tmp_path / "coco.pt")
    recipe = TINY.with_values(
        {"model.detector": detector, "model.anchor_sizes": None, "data.image_size": None, **PUBLISHED[detector]}
    )
    module = DetectorModule(recipe.with_values({"model.init": str(tmp_path / "coco.pt")}), CLASSES)
    anew = load_initial_weights(module)
    assert anew
    state = host.state_dict()
    for name, value in module.detector.state_dict().items():
        if name in state and not name.startswith(anew):
            assert torch.equal(value, state[name]), name


def test_a_detector_without_weights_of_coco_is_told_so(monkeypatch):
    monkeypatch.delitem(COCO_DETECTORS, "retinanet")
    with pytest.raises(ValueError, match="for retinanet, of which torchvision has no weights, but got"):
        started("torchvision")


def test_what_does_not_fit_is_named(trained, weights, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected `model.init` to be a run, .* is not a file"):
        started(tmp_path / "none.ckpt")
    with pytest.raises(FileNotFoundError, match="which holds no run"):
        started(tmp_path)
    with pytest.raises(
        ValueError, match=r"of the detector fcos, but .*last.ckpt' is of a retinanet: set model.detector"
    ):
        started(trained.folder.path, detector="fcos", anchor_sizes=None)
    (tmp_path / "text.pt").write_text("no tensors")
    with pytest.raises(ValueError, match="to hold a state dict, but"):
        started(tmp_path / "text.pt")
    state = {name: value for name, value in weights.items() if "_loss" not in name}
    name = next(iter(state))
    torch.save({key: value for key, value in state.items() if key != name}, tmp_path / "less.pt")
    with pytest.raises(ValueError, match=f"to fit the recipe's detector, but it has no tensor '{name}'"):
        started(tmp_path / "less.pt")
    torch.save({**state, name: torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=f"its tensor '{name}' is of the shape \\[3\\] and not"):
        started(tmp_path / "other.pt")
    torch.save({**state, "extra": torch.zeros(3)}, tmp_path / "more.pt")
    with pytest.raises(ValueError, match="its tensor 'extra' has no place there"):
        started(tmp_path / "more.pt")


def test_a_run_says_where_it_starts_and_goes_on_without_the_file(trained, tiny_data, run_path, capsys, tmp_path):
    (tmp_path / "init.ckpt").hardlink_to(trained.folder.last)
    recipe = TINY.with_values(
        {"model.init": str(tmp_path / "init.ckpt"), "trainer.epochs": 1, "trainer.max_steps": 1, "optimizer.lr": 1e-9}
    )
    train(tiny_data, recipe=recipe, out=run_path)
    assert f"starts from {tmp_path / 'init.ckpt'}, all layers" in capsys.readouterr().err
    (tmp_path / "init.ckpt").unlink()
    train(tiny_data, recipe=recipe.with_values({"trainer.max_steps": 2}), out=run_path, resume=True, progress=False)
