"""Hugging Face Transformers: its DETR family through ``model.loss_function``, its Trainer through a loss function."""

from torchghm.integrations.hosts import check_installed

check_installed("transformers", "pip install 'torchghm[transformers]'")

from torchghm.integrations.transformers.detection import DetectionLosses  # noqa: E402
from torchghm.integrations.transformers.harmonize import harmonize, restore  # noqa: E402
from torchghm.integrations.transformers.state import StateCallback  # noqa: E402
from torchghm.integrations.transformers.tasks import TaskLoss, compute_loss_func  # noqa: E402

__all__ = ["DetectionLosses", "StateCallback", "TaskLoss", "compute_loss_func", "harmonize", "restore"]
