"""A training step gives the same bits wherever its batch, weights and moments lie in memory.

A state that was loaded lies elsewhere than one that was trained, so that a resumed run depends on it.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from tests.alignment import OFFSETS, MovedInputs, moved, moved_everywhere
from tests.training.tiny import TINY, write_tiny_data

from torchghm import mkl
from torchghm.data import DetectionDataset, collate, load_data
from torchghm.training import train
from torchghm.training.loop.datamodule import to_floats
from torchghm.training.loop.module import DetectorModule

# With a batch of one torch gives its convolutions to MKL, with more to oneDNN.
SMALL = TINY.with_values({"model.pyramid_channels": 64})
CASES = {
    "adamw": (SMALL, 1, OFFSETS[::3]),
    "sgd": (SMALL.with_values({"optimizer.name": "sgd"}), 2, OFFSETS[4:5]),
    "faster_rcnn": (SMALL.with_values({"model.detector": "faster_rcnn", "model.proposals_per_image": 16}), 1, (20,)),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return load_data(write_tiny_data(tmp_path_factory.mktemp("alignment") / "tiny"))


def state_after_two_steps(recipe, images, data, offset):
    """Losses, gradients, weights and moments of two steps, with everything they read ``offset`` bytes off."""
    torch.manual_seed(0)
    module = DetectorModule(recipe, data.classes, steps_per_epoch=2)
    optimizer = module.configure_optimizers()["optimizer"]
    dataset = DetectionDataset(data.select("train"), data.classes, training=True)
    pictures, targets = collate([dataset[index] for index in range(images)])
    batch = to_floats(pictures), [{**target, "index": index} for index, target in enumerate(targets)]
    losses = []
    for _ in range(2):
        move_state(module, optimizer, offset)
        torch.manual_seed(1)
        with MovedInputs(offset) as inputs:
            loss = module.training_step(moved_everywhere(batch, offset), 0)
            optimizer.zero_grad()
            loss.backward()
        assert {"convolution", "convolution_backward"} <= inputs.operations
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        losses.append(loss.detach())
    gradients = {name: value.grad for name, value in module.named_parameters() if value.grad is not None}
    moments = {
        f"{number}.{name}": value
        for number, state in enumerate(optimizer.state.values())
        for name, value in state.items()
        if value is not None
    }
    return {"losses": torch.stack(losses), **gradients, **module.state_dict(prefix="state."), **moments}


def move_state(module, optimizer, offset):
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = moved(tensor.data, offset)
    for state in optimizer.state.values():
        state.update(moved_everywhere(dict(state), offset))


@pytest.mark.parametrize("name", CASES)
def test_a_training_step(name, data):
    recipe, images, offsets = CASES[name]
    expected = state_after_two_steps(recipe, images, data, 0)
    assert len(expected) > 100
    for offset in (0, *offsets):
        got = state_after_two_steps(recipe, images, data, offset)
        assert got.keys() == expected.keys()
        differing = [key for key, value in expected.items() if not torch.equal(got[key], value)]
        assert not differing, (offset, len(differing), differing[:5])


class Noting(DetectorModule):
    """Notes how its tensors are laid out when the second epoch begins, and stops there where it is told."""

    layouts: ClassVar[list[list[tuple[object, ...]]]] = []
    stops = False

    def on_train_epoch_start(self):
        if self.current_epoch == 1:
            optimizer = self.optimizers(use_pl_optimizer=False)
            moments = [value for state in optimizer.state.values() for value in state.values() if value is not None]
            tensors = [*self.parameters(), *self.buffers(), *moments]
            self.layouts.append([(tuple(t.shape), t.stride(), t.dtype, t.layout, t.device) for t in tensors])
            if self.stops:
                raise KeyboardInterrupt


def test_a_loaded_state_is_laid_out_like_a_trained_one(tiny_data, run_path, monkeypatch):
    """Kernels are chosen by shapes, strides and dtypes: of weights, buffers and moments."""
    monkeypatch.setattr("torchghm.training.run.DetectorModule", Noting)
    monkeypatch.setattr(Noting, "layouts", [])
    monkeypatch.setattr(Noting, "stops", True)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_data, recipe=TINY, out=run_path, progress=False)
    monkeypatch.setattr(Noting, "stops", False)
    train(tiny_data, out=run_path, resume=True, progress=False)
    trained, loaded = Noting.layouts
    assert len(trained) > 300
    assert loaded == trained


def test_a_resume_says_where_mkl_is_not_reproducible(tiny_data, run_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr("torchghm.training.run.evaluate_records", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_data, recipe=TINY, out=run_path, progress=False)
    assert not caplog.records
    monkeypatch.setattr(mkl, "is_reproducible", lambda: False)
    train(tiny_data, out=run_path, resume=True, progress=False)
    assert [record for record in caplog.records if "MKL_CBWR" in record.getMessage()]


def interrupt(*arguments):
    raise KeyboardInterrupt
