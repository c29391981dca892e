"""RF-DETR's own module, data module and trainer with harmonized losses: a few steps, a checkpoint, and resume."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

import torchghm

pytest.importorskip("rfdetr", reason="rfdetr is not installed: pip install '.[hosts]'")

from rfdetr.config import RFDETRNanoConfig, TrainConfig
from rfdetr.training import RFDETRDataModule, RFDETRModelModule, build_trainer

from torchghm.integrations.rfdetr import harmonize

CLASSES, QUERIES, GROUPS = 2, 10, 2


def written_data(where):
    """Noise with an object an image, in the layout that the host reads."""
    generator = torch.Generator().manual_seed(0)
    for split in ("train", "valid"):
        (where / split).mkdir(parents=True)
        images, objects = [], []
        for index in range(4):
            pixels = torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8, generator=generator)
            Image.fromarray(pixels.numpy()).save(where / split / f"{index}.jpg")
            images.append({"id": index, "file_name": f"{index}.jpg", "height": 64, "width": 64})
            box = {"bbox": [10, 10, 30, 25], "area": 750, "iscrowd": 0}
            objects.append({"id": index + 1, "image_id": index, "category_id": 1 + index % CLASSES, **box})
        categories = [{"id": 1 + index, "name": f"{index}", "supercategory": ""} for index in range(CLASSES)]
        found = {"images": images, "annotations": objects, "categories": categories}
        (where / split / "_annotations.coco.json").write_text(json.dumps(found))
    return where


def parts(where, cls_loss, box_loss):
    """The host's smallest model without weights, its encoder frozen; its data and its trainer, for so many steps."""
    model_config = RFDETRNanoConfig(
        pretrain_weights=None, resolution=64, positional_encoding_size=4, num_queries=QUERIES, num_select=QUERIES,
        group_detr=GROUPS, num_classes=CLASSES, freeze_encoder=True, device="cpu",
    )  # fmt: skip
    train_config = TrainConfig(
        dataset_dir=str(where), output_dir=str(where / "out"), batch_size=2, grad_accum_steps=1, epochs=2,
        num_workers=0, multi_scale=False, expanded_scales=False, use_ema=False, accelerator="cpu", tensorboard=False,
        eval_backend="faster_coco_eval",
    )  # fmt: skip
    torch.manual_seed(0)
    module = harmonize(RFDETRModelModule(model_config, train_config), cls_loss, box_loss, weights="none")

    def trained(steps, **options):
        trainer = build_trainer(train_config, model_config, max_steps=steps, limit_val_batches=1)
        trainer.fit(module, RFDETRDataModule(model_config, train_config), **options)
        return trainer

    return module, trained


def test_trains_saves_and_resumes(tmp_path):
    where = written_data(tmp_path)
    module, trained = parts(where, torchghm.GHMCLoss(), torchghm.GHMRLoss())
    before = module.model.class_embed.weight.detach().clone()
    trainer = trained(2)
    criterion = module.criterion
    assert trainer.global_step == 2
    assert not torch.equal(module.model.class_embed.weight, before)
    # Two steps and no validation batch; the host's weights know the losses by their names.
    assert list(criterion.cls_losses.branches) == ["last", "auxiliary_0", "encoder"]
    assert criterion.cls_losses.calls == criterion.box_losses.calls == 2 * 3
    assert {"loss_ce", "loss_bbox", "loss_ce_0", "loss_ce_enc"} <= criterion.weight_dict.keys()
    last = criterion.cls_losses.branch("last")
    assert last.density_state.seen == pytest.approx(1 - 0.75**2)
    logits = 2 * QUERIES * GROUPS * (CLASSES + 1)  # of the whole batch; the host has a column for no object
    assert last.diagnostics.local_histogram.sum() in (logits, logits / GROUPS)
    state = {name: value.clone() for name, value in criterion.state_dict().items()}

    checkpoint = str(where / "out" / "last.ckpt")
    again, resumed = parts(where, torchghm.GHMCLoss(), torchghm.GHMRLoss())
    saved = torch.load(checkpoint, weights_only=False)["state_dict"]
    assert {name.removeprefix("criterion.") for name in saved if name.startswith("criterion.")} == state.keys()
    assert resumed(3, ckpt_path=checkpoint, weights_only=False).global_step == 3
    seen = again.criterion.cls_losses.branch("last").density_state.seen
    assert seen == pytest.approx(1 - 0.75**3)
    assert again.criterion.cls_losses.calls == 3
    other = harmonize(again, torchghm.GHMCLoss(bins=10), torchghm.GHMRLoss())
    with pytest.raises(RuntimeError, match="saved with 30 regions, but this loss has 10"):
        other.load_state_dict(saved, strict=False)  # as the host loads


def test_loss_that_is_never_called_is_an_error(tmp_path):
    module, trained = parts(written_data(tmp_path), torchghm.GHMCLoss(), None)
    own, _ = parts(tmp_path, torchghm.GHMCLoss(), None)
    module.criterion = own.criterion  # another one
    with pytest.raises(RuntimeError, match="cls_losses of this RFDETRModelModule were not called in a step"):
        trained(1)
