"""Transformers' Trainer: the loss is called, its state is saved with checkpoints and restored from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tests.ranks import on_ranks

import torchghm

transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[hosts]'")

from tests.integrations.transformers.models import batch, build  # noqa: E402
from tests.integrations.transformers.test_tasks import bert, softmax  # noqa: E402

from torchghm.integrations.transformers import StateCallback, compute_loss_func, harmonize  # noqa: E402


def rows(count=16):
    torch.manual_seed(3)
    labels = torch.randint(0, 3, (count, 6))
    labels[:, 5] = -100
    ids = torch.randint(0, 20, (count, 6))
    return [{"input_ids": ids[row], "labels": labels[row]} for row in range(count)]


def trained(folder, *, steps=4, resume=None, callback=True, loss=None):
    """A Trainer that has trained, two batches of two a step, with checkpoints every two steps; and its loss."""
    model = bert("TokenClassification")
    loss_func = compute_loss_func(model, loss or softmax(momentum=0.9))
    arguments = transformers.TrainingArguments(
        str(folder),
        max_steps=steps,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        save_steps=2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        dataloader_pin_memory=False,
    )
    trainer = transformers.Trainer(
        model,
        arguments,
        train_dataset=rows(),
        compute_loss_func=loss_func,
        callbacks=[StateCallback(loss_func)] if callback else [],
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer, loss_func


def test_resumed_training_goes_on_with_the_state(tmp_path):
    _, whole = trained(tmp_path / "whole")
    assert whole.calls == 8
    resumed, loss_func = trained(tmp_path / "whole", resume=str(tmp_path / "whole" / "checkpoint-2"))
    assert loss_func.calls == 4
    torch.testing.assert_close(loss_func.state_dict(), whole.state_dict())
    (tmp_path / "whole" / "checkpoint-2" / "torchghm.pt").unlink()
    with pytest.warns(UserWarning, match="torchghm.pt: the densities of the losses start anew"):
        _, anew = trained(tmp_path / "whole", resume=str(tmp_path / "whole" / "checkpoint-2"))
    assert not torch.equal(anew.state_dict()["density_state.seen"], whole.state_dict()["density_state.seen"])
    # In evaluation nothing is remembered, and the loss is a number.
    before = {key: value.clone() for key, value in anew.state_dict().items()}
    assert resumed.evaluate(rows(4))["eval_loss"] > 0
    torch.testing.assert_close(anew.state_dict(), before)


def test_one_region_trains_as_the_host_does(tmp_path):
    """The Trainer divides by the items of all accumulated batches, with ours as with its own causal loss."""
    found = []
    for own in (False, True):
        trainer, _ = trained(
            tmp_path / str(own), loss=softmax(bins=1, normalize="regions", max_weight=None), callback=False
        )
        if own:
            model = bert("TokenClassification")
            trainer = transformers.Trainer(model, trainer.args, train_dataset=rows(), compute_loss_func=by_hand)
            trainer.train()
        found.append(trainer.model.state_dict())
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def by_hand(outputs, labels, num_items_in_batch=None):
    reduction = "sum" if num_items_in_batch is not None else "mean"
    loss = torch.nn.functional.cross_entropy(outputs.logits.flatten(0, 1), labels.flatten(), reduction=reduction)
    return loss if num_items_in_batch is None else loss / num_items_in_batch


def test_loss_that_is_never_called_stops_the_first_step(tmp_path):
    model = bert("TokenClassification")
    loss_func = compute_loss_func(model, softmax())
    arguments = transformers.TrainingArguments(
        str(tmp_path), max_steps=3, use_cpu=True, report_to=[], disable_tqdm=True, logging_strategy="no"
    )
    trainer = transformers.Trainer(model, arguments, train_dataset=rows(), callbacks=[StateCallback(loss_func)])
    with pytest.raises(RuntimeError, match="were not called in the first step"):
        trainer.train()


def test_detector_trains_and_saves_its_branches(tmp_path):
    images = batch(4)
    data = [
        {"pixel_values": image, "labels": label}
        for image, label in zip(images["pixel_values"], images["labels"], strict=True)
    ]
    model = harmonize(build("RTDetr"), torchghm.GHMCLoss(), torchghm.GHMRLoss())
    arguments = transformers.TrainingArguments(
        str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=2,
        save_steps=2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        remove_unused_columns=False,
    )

    def collated(samples):
        return {
            "pixel_values": torch.stack([sample["pixel_values"] for sample in samples]),
            "labels": [sample["labels"] for sample in samples],
        }

    transformers.Trainer(
        model, arguments, train_dataset=data, data_collator=collated, callbacks=[StateCallback(model)]
    ).train()
    state = torch.load(tmp_path / "checkpoint-2" / "torchghm.pt", weights_only=True)
    torch.testing.assert_close(state, model.loss_function.state_dict())
    # The weights are the host's own: they load where torchghm is not.
    again = type(model).from_pretrained(tmp_path / "checkpoint-2")
    assert again.state_dict().keys() == model.state_dict().keys()


def accumulated_weights(folder, batch_size, accumulation, **options):
    """Train a model for one step of plain gradient descent over eight rows of unequal length; return its weights."""
    model = bert("TokenClassification")
    loss_func = compute_loss_func(model, softmax(bins=1, normalize="regions", max_weight=None))
    arguments = transformers.TrainingArguments(
        str(folder),
        max_steps=1,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        learning_rate=1.0,
        optim="sgd",
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        save_strategy="no",
        dataloader_pin_memory=False,
        **options,
    )
    data = rows(8)
    for row in data[:3]:
        row["labels"][1:5] = -100
    trainer = transformers.Trainer(
        model, arguments, train_dataset=data, compute_loss_func=loss_func, callbacks=[StateCallback(loss_func)]
    )
    trainer.train()
    assert loss_func.calls == accumulation
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def on_rank(rank, folder):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}  # never used: the processes have met
    return accumulated_weights(Path(folder) / str(rank), batch_size=2, accumulation=2, ddp_backend="gloo")


def test_two_processes_and_accumulation_step_as_the_joint_batch(tmp_path):
    """The host's own Trainer in two processes, of unequally many items, which it counts for the divisor."""
    (tmp_path / "ranks").mkdir()
    first, second = on_ranks(on_rank, tmp_path / "ranks", str(tmp_path))
    torch.testing.assert_close(first, second)
    alone = accumulated_weights(tmp_path, batch_size=8, accumulation=1)
    start = bert("TokenClassification").state_dict()
    assert any((alone[name] - start[name]).abs().max() > 1e-2 for name in start)
    torch.testing.assert_close(first, alone, rtol=1e-4, atol=1e-5)


def test_state_of_other_shapes_is_named():
    model = bert("TokenClassification")
    state = compute_loss_func(model, softmax()).state_dict()
    with pytest.raises(RuntimeError, match="saved with 30 regions, but this loss has 10"):
        compute_loss_func(model, softmax(bins=10)).load_state_dict(state)
