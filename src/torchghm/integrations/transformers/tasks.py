"""Classification in Transformers: sequences, tokens, images, pixels and the next token, for the Trainer."""

from __future__ import annotations

import itertools
from typing import Any, Literal, NamedTuple, cast, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from torchghm.functional.arguments import check_choice
from torchghm.integrations.arguments import check_host_losses
from torchghm.integrations.hosts import warn_untested

IGNORED = -100

Task = Literal["sequence", "token", "segmentation", "causal_lm", "masked_lm"]

TASK_OF_LOSS_TYPE: dict[str, Task] = {
    "ForSequenceClassification": "sequence",
    "ForImageClassification": "sequence",
    "ForVideoClassification": "sequence",
    "ForAudioClassification": "sequence",
    "ForTokenClassification": "token",
    "ForSemanticSegmentation": "segmentation",
    "ForCausalLM": "causal_lm",
    "ForMaskedLM": "masked_lm",
}
"""By ``model.loss_type``, which the host takes from the name of the model's class."""


class Rows(NamedTuple):
    """Logits and targets as a loss takes them."""

    logits: Tensor
    """[N, K]."""
    targets: Tensor
    """[N] integers with -100 for none, or [N, K] floats of several labels."""


class TaskLoss:
    """A loss of ``outputs`` and ``labels`` as ``Trainer(compute_loss_func=)`` calls it; made by `compute_loss_func`."""

    def __init__(self, model: nn.Module, cls_loss: nn.Module, task: Task) -> None:
        check_host_losses(cls_loss, None, ("softmax",) if task != "sequence" else ("softmax", "sigmoid"))
        self.model: Any = model
        self.task = task
        self.loss = cls_loss
        self.calls = 0

    def __call__(self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Return the loss of a batch.

        Arguments:
            outputs: of the model, with ``logits``.
            labels: of the batch, which the Trainer has not given the model.
            num_items_in_batch: what the sum over the whole accumulated batch of all processes is divided by; None for
                the mean over this batch.
        """
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
        return self.of_logits(logits, labels, num_items_in_batch)

    def of_logits(
        self,
        logits: Tensor,
        labels: Tensor,
        num_items_in_batch: Tensor | int | None = None,
        *,
        training: bool | None = None,
    ) -> Tensor:
        """Return the loss of logits in the layout of the task.

        Arguments:
            logits, labels, num_items_in_batch: of the batch.
            training: whether it is trained on; None where the logits have a graph. The mode of the model would not do:
                a Trainer with ``model_init`` trains another one than this loss was made for.
        """
        rows = self._rows(logits, labels.to(logits.device))
        training = logits.requires_grad if training is None else training
        # Moving and switching a module that is as it should be takes as long as a loss of few classes; so does a look
        # at all that it holds, which is on one device.
        held = next(itertools.chain(self.loss.buffers(), self.loss.parameters()), None)
        if held is not None and held.device != rows.logits.device:
            self.loss.to(rows.logits.device)
        if self.loss.training != training:
            self.loss.train(training)
        self.calls += training
        by_pixels = self.task == "segmentation"
        reduction = "mean" if num_items_in_batch is None or by_pixels else "sum"
        part: Any
        for part in self.loss.modules():  # both losses of a `HandoverLoss`
            if vars(part).get("reduction", reduction) != reduction:
                part.reduction = reduction
        loss: Tensor = self.loss(*rows)
        if num_items_in_batch is None:
            return loss
        if by_pixels:
            # The Trainer's items are all pixels but -100, those of the void label too, which are no examples here. So
            # it can't divide a sum: this batch's mean counts by its part of the items.
            return loss * (labels != IGNORED).sum() / num_items_in_batch
        return loss / num_items_in_batch

    def _rows(self, logits: Tensor, labels: Tensor) -> Rows:
        if self.task == "segmentation":
            # As the host does: the loss sees the labels' own resolution.
            logits = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
            ignored = getattr(self.model.config, "semantic_loss_ignore_index", 255)
            labels = labels.long()
            return Rows(logits.movedim(1, -1).flatten(0, -2), labels.where(labels != ignored, IGNORED).flatten())
        if self.task == "causal_lm":
            # Tokens before n predict n.
            logits, labels = logits[..., :-1, :], labels[..., 1:]
        rows = logits.reshape(-1, logits.shape[-1])
        if labels.is_floating_point():
            if labels.shape != logits.shape or self.loss.activation != "sigmoid":
                raise ValueError(
                    f"Expected argument `labels` (floats, several a row) to be shaped like the logits "
                    f"{list(logits.shape)} and the loss to have activation='sigmoid', but got {list(labels.shape)} and "
                    f"{self.loss.activation!r}. A regression has no classes."
                )
            return Rows(rows, labels.reshape(rows.shape))
        return Rows(rows, labels.reshape(-1))

    def state_dict(self) -> dict[str, Tensor]:
        """The loss's averages over iterations."""
        return cast(dict[str, Tensor], self.loss.state_dict())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore them; a RuntimeError says where a state has other shapes."""
        self.loss.load_state_dict(state)


def compute_loss_func(model: nn.Module, cls_loss: nn.Module, task: Task | None = None) -> TaskLoss:
    """Make the loss function of a Trainer: ``Trainer(model, args, compute_loss_func=compute_loss_func(model, loss))``.

    The gradients are those of the joint batch: the histogram is summed over the processes of every forward pass, and
    the sum of the losses is divided by the number of items in the accumulated batch of all of them. Of a segmentation
    it is the mean of the batches' means, by their pixels. In evaluation nothing is remembered. With gradient
    accumulation the density is of one forward pass and, by its momentum, of those before. Add
    ``callbacks=[StateCallback(loss_func)]`` to save it with checkpoints.

    Arguments:
        model: a `PreTrainedModel` with ``logits``; a wrapped one's own model.
        cls_loss: with ``activation="softmax"``; ``"sigmoid"`` for labels that are floats, several classes a row. -100
            is no example. It is used itself, so that its ``diagnostics`` can be read.
        task: how the logits are laid out: ``"sequence"`` [N, K] (also images, audio, video), ``"token"`` [N, T, K],
            ``"segmentation"`` [N, K, h, w] with labels [N, H, W], ``"causal_lm"`` [N, T, V] with labels shifted by one,
            ``"masked_lm"``. None takes it from the model's class.

    Raises:
        ValueError: no task given, and none to be told from the model; a loss with options of another layout.

    Examples:
        >>> from torchghm import GHMCLoss
        >>> from transformers import BertConfig, BertForTokenClassification
        >>> model = BertForTokenClassification(BertConfig(
        ...     vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8))
        >>> compute_loss_func(model, GHMCLoss(activation="softmax")).task
        'token'
    """
    warn_untested("transformers")
    if task is None:
        task = TASK_OF_LOSS_TYPE.get(getattr(model, "loss_type", None) or "")
        if task is None:
            raise ValueError(
                f"Expected argument `task` to be one of {', '.join(map(repr, get_args(Task)))} for a "
                f"{type(model).__name__}, whose name does not tell, but got None."
            )
    check_choice("task", task, get_args(Task))
    return TaskLoss(model, cls_loss, task)


class TaskHook:
    """A `TaskLoss` as ``model.loss_function``, which hosts call with labels first for sequences and else last."""

    def __init__(self, loss: TaskLoss) -> None:
        self.loss = loss

    @property
    def calls(self) -> int:
        """How often it was called in training."""
        return self.loss.calls

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the loss of logits and labels, which come by position or by name."""
        if kwargs.get("shift_labels") is not None:
            raise ValueError("Expected no `shift_labels`, which are shifted already: give `labels` alone.")
        order = ("labels", "pooled_logits") if self.loss.task == "sequence" else ("logits", "labels")
        given = {**dict(zip(order, args, strict=False)), **kwargs}
        logits = given["pooled_logits"] if "pooled_logits" in given else given["logits"]
        training = bool(self.loss.model.training)
        return self.loss.of_logits(logits, given["labels"], given.get("num_items_in_batch"), training=training)

    def state_dict(self) -> dict[str, Tensor]:
        """The loss's averages over iterations."""
        return self.loss.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore them."""
        self.loss.load_state_dict(state)
