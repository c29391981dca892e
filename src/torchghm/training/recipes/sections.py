"""Sections of a recipe about data, optimiser and trainer: every value with its range, its default and its meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from torchghm.training.recipes.values import as_yaml

Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
WeightFactor = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=32)]


class Section(BaseModel):
    """Values that can't be changed by accident, and no others than are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataRecipe(Section):
    """Reading, augmentation and batching of the data."""

    layout: Literal["coco", "voc", "yolo", "csv", "imagefolder", "cvat", "labelme", "via", "shards"] | None = Field(
        default=None, description="of the folder; null recognises it"
    )
    shards_at: str | None = Field(
        default=None, description="folder or URL of tar shards that are not beside their index; null is beside it"
    )
    strict: bool = Field(default=False, description="refuse data with any problem, also those that can be dealt with")
    boxes: str | None = Field(
        default=None,
        description='what four numbers of a box are, "xyxy", "xywh" or "cxcywh", each also with "-pixels" or '
        '"-fractions"; null is what the layout has',
    )
    crowds: Literal["objects"] | None = Field(
        default=None, description='"objects" takes crowds and difficult objects for objects; null masks their regions'
    )
    unlabelled: Literal["background"] | None = Field(
        default=None,
        description='"background" takes images without a label file for images with nothing to see; null refuses them, '
        "if they are more than a few",
    )
    val_fraction: Fraction = Field(default=0.1, description="of the images, for data without splits of their own")
    test_fraction: Fraction = Field(default=0.1, description="of the images, for data without splits of their own")
    split_seed: int = Field(default=0, ge=0, description="of that division")
    image_size: tuple[Pixels, Pixels] | None = Field(
        default=None,
        examples=[[96, 128]],
        description="height and width in pixels that images are scaled to fit, their aspect kept; null is 384 x 512, "
        "or the only size that an SSD reads",
    )
    batch_size: PositiveInt = Field(
        default=8, description="images an optimiser step, over all processes and accumulated batches together"
    )
    eval_batch_size: PositiveInt | None = Field(
        default=None, description="images a batch of a process in evaluation; null is twice a training batch"
    )
    workers: int | None = Field(
        default=None, ge=0, description="processes that load images, for each training process; null goes by the cores"
    )
    cache: Literal["auto", "ram"] | None = Field(
        default="auto",
        description='"ram" keeps decoded images in memory, in each training process; null decodes them in every epoch; '
        '"auto" keeps the training images where mosaics are wanted, up to 1 GB and a tenth of the free memory',
    )
    flip: Probability = Field(default=0.5, description="probability of a left-right flip")
    vertical_flip: Probability = Field(default=0.0, description="probability of an upside-down flip")
    scale_jitter: tuple[PositiveFloat, PositiveFloat] | None = Field(
        default=None, examples=[[0.5, 1.5]], description="smallest and largest factor of a random zoom, null for none"
    )
    translate: Probability = Field(
        default=0.1, description="with scale_jitter, the largest shift as a fraction of the sides"
    )
    multi_scale: tuple[PositiveFloat, PositiveFloat] | None = Field(
        default=None,
        examples=[[0.75, 1.25]],
        description="smallest and largest factor of image_size, one drawn for each training step; null for none",
    )
    mosaic: Probability = Field(
        default=0.0, description="probability that a training image shows parts of four, see docs/training.md"
    )
    colour_jitter: Probability = Field(
        default=0.0, description="strength of random brightness, contrast and saturation"
    )
    evaluate: str = Field(
        default="val", min_length=1, description='split of the final evaluation; "val,test" joins two'
    )

    @field_validator("scale_jitter", "multi_scale")
    @classmethod
    def _in_order(cls, value: tuple[float, float] | None, info: ValidationInfo) -> tuple[float, float] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError(
                f"Expected `data.{info.field_name}` to be two factors, the smaller first, but got {list(value)}"
            )
        return value


class OptimizerRecipe(Section):
    """Optimiser and learning rate schedule."""

    name: Literal["adamw", "sgd"] = Field(default="adamw", description="optimiser")
    lr: PositiveFloat = Field(default=5e-4, description="highest learning rate")
    backbone_lr_factor: float = Field(
        default=1.0, gt=0, le=1, description="that the backbone's learning rate is lr times, all through the schedule"
    )
    weight_decay: WeightFactor = Field(default=0.01, description="weight decay")
    momentum: Fraction = Field(default=0.9, description="of sgd")
    schedule: Literal["one_cycle", "steps", "cosine", "constant"] = Field(
        default="one_cycle", description="of the learning rate over the run"
    )
    warmup_steps: int = Field(
        default=0, ge=0, description="optimiser steps of linear warm-up; one_cycle has its own and ignores it"
    )
    milestones: tuple[PositiveInt, ...] = Field(
        default=(), examples=[[8, 11]], description="epochs after which steps multiplies the rate by gamma"
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="factor at each milestone")
    gradient_clip: PositiveFloat | None = Field(
        default=35.0, description="largest 2-norm of the gradient, null for any"
    )


class TrainerRecipe(Section):
    """Duration, devices and precision of the training."""

    epochs: PositiveInt = Field(default=30, description="passes over the training images")
    max_steps: PositiveInt | None = Field(
        default=None, description="stop after so many optimiser steps, null for all epochs"
    )
    patience: PositiveInt | None = Field(
        default=None,
        description="stop after so many epochs without a higher AP on the split val, null for never; the schedule "
        "of the learning rate is that of all epochs",
    )
    ema: float | None = Field(
        default=None,
        examples=[0.999],
        description="decay of an exponential moving average of the weights over the steps, smaller in the first steps; "
        "the averages are validated, saved and used; null for none",
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(default="auto", description="kind of device")
    devices: Literal["auto"] | PositiveInt = Field(
        default="auto",
        description="devices of each machine; auto is as many processes as torchrun or SLURM started, or all",
    )
    num_nodes: Literal["auto"] | PositiveInt = Field(
        default="auto", description="machines; auto is as many as torchrun or SLURM started processes on"
    )
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = Field(default="32-true", description="of the arithmetic")
    compile: bool = Field(
        default=False, description="torch.compile the backbone; takes minutes at the start, and a C++ compiler or a GPU"
    )
    accumulate: PositiveInt = Field(default=1, description="parts that a process computes a batch in, to save memory")
    checkpoint_steps: PositiveInt | None = Field(
        default=1000,
        description="save last.ckpt also within an epoch, after every so many of its steps; null: at its end alone",
    )
    deterministic: bool | Literal["warn"] = Field(
        default=False, description="only algorithms that give the same bits again (on a GPU: slower)"
    )
    logger: Literal["tensorboard", "csv", "wandb", "mlflow"] = Field(
        default="tensorboard",
        description="where the curves go beside metrics.csv, which every run has: csv is nowhere else, wandb and "
        "mlflow are packages to be installed",
    )
    label_memory: bool = Field(
        default=True, description="remember how the training went for every label, for torchghm review"
    )
    on_nonfinite: Literal["stop", "skip"] = Field(
        default="stop", description="what a loss or gradient that is not finite does: end the run, or skip the step"
    )
    evaluate_checkpoint: Literal["last", "best"] = Field(
        default="last", description="which weights the final evaluation takes; best was chosen by AP on the split val"
    )

    @field_validator("ema")
    @classmethod
    def _decay(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value < 1:
            raise ValueError(
                f"Expected `trainer.ema` to be a decay above 0 and below 1, or null, but got {as_yaml(value)}"
            )
        return value
