"""Ultralytics' YOLO and RT-DETR with harmonized losses: ``YOLO(...).train(trainer=trainer(cls_loss=...))``.

Ultralytics is under AGPL-3.0. This module copies nothing of it: it subclasses its trainers and losses when it is
imported, and needs it only then. What you train with it is subject to Ultralytics' licence as ever.
"""

from torchghm.integrations.hosts import check_installed

check_installed("ultralytics", "pip install 'torchghm[ultralytics]'")

from torchghm.integrations.ultralytics.training import HarmonizedTraining, rtdetr_trainer, trainer  # noqa: E402

__all__ = ["HarmonizedTraining", "rtdetr_trainer", "trainer"]
