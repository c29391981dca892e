# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fine-tuning on your own images
#
# From a folder to a detector: check the data, train, look at what it finds, export it. Here the folder is made, so that
# the notebook runs anywhere; put your own in its place. COCO, Pascal VOC, YOLO, CSV, CVAT, labelme and VIA are read.
#
# It needs `pip install 'torchghm[train]'`, and no network.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import torchghm
from torchghm.data import check_data, read_image, write_scenes
from torchghm.training import predict

folder = Path(tempfile.mkdtemp())
data = write_scenes(folder / "scenes", images=48, image_size=(80, 96))  # your folder
check = check_data(data)
print(check)

# %% [markdown]
# Without a recipe `train` takes the one that fits the data: ImageNet weights inside a package, and epochs by the
# number of images. A dictionary changes values of it. These are for a detector that is trained in seconds and finds
# little; leave them out for one that is of use.

# %%
quick = {
    "data.image_size": [80, 96],
    "data.workers": 0,
    "model.pyramid_channels": 32,
    "trainer.max_steps": 6,
}
run = torchghm.train(data, recipe=quick, out=folder / "run", progress=False)
print({name: value for name, value in run.metrics.items() if value is not None})
print(run.to_pandas().iloc[-1][["train/loss", "val/ap"]])

# %% [markdown]
# `predict` writes drawn images, JSON, CSV and YOLO text; `load_detector` gives the detector itself.

# %%
images = sorted((data / "val").rglob("*.jpg"))[:3] or sorted(data.rglob("*.jpg"))[:3]
found = predict(folder / "run", images, folder / "predictions", threshold=0.05)
figure, axes = plt.subplots(1, len(images), figsize=(9, 3), layout="constrained")
for axis, file in zip(axes, sorted(found.folder.glob("*.jpg")), strict=True):
    axis.imshow(plt.imread(file))
    axis.axis("off")

# %%
detector = torchghm.load_detector(folder / "run", device="cpu")
pixels = torch.from_numpy(read_image(images[0])).permute(2, 0, 1)
print(detector.classes, detector([pixels])[0]["boxes"].shape)

# %% [markdown]
# Does GHM help on these data? `torchghm.compare(data, methods="fine_tuning", out=...)` trains each loss with several
# seeds, and says "better", "worse" or "no difference shown". `torchghm export RUN --format onnx` writes one file that
# runs without torchghm.
