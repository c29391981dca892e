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
# # The loss on one page
#
# A detector looks at some images, and every anchor and class is one example: a logit and whether the class is there.
# What are the gradient norm *g*, the density *GD(g)* and the weight *β* of these examples?
#
# It needs `pip install 'torchghm[train]'`, and no network: the images are handwritten digits on photographs.

# %%
import tempfile

import matplotlib.pyplot as plt
import torch

import torchghm
from torchghm.data import DetectionDataset, collate, evaluation_transforms, load_data, write_scenes
from torchghm.detection import build_detector, detection_examples, harmonize
from torchghm.functional import gradient_density, gradient_norm_sigmoid, harmonizing_weights

torch.manual_seed(0)
folder = tempfile.mkdtemp()
data = load_data(write_scenes(f"{folder}/scenes", images=40, image_size=(80, 96)))
dataset = DetectionDataset(data.select("train"), data.classes, evaluation_transforms(), training=True)
images, targets = collate([dataset[index] for index in range(4)])
images = [image.float() / 255 for image in images]

# %% [markdown]
# A small RetinaNet learns from these four images for a few steps, so that some of the background is easy.

# %%
model = build_detector(
    num_classes=len(data.classes),
    backbone="resnet18",
    image_size=(80, 96),
    anchor_sizes=(16, 32, 48, 64, 96),
    pyramid_channels=32,
    head_norm="group",
)
harmonize(model, torchghm.GHMCLoss(), torchghm.GHMRLoss())
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for _ in range(8):
    optimizer.zero_grad()
    sum(model(images, targets).values()).backward()
    optimizer.step()

examples = detection_examples(model, images, targets)
logits = examples.logits.detach()
labels = examples.targets
present = labels >= 0
print(f"logits {[*logits.shape]}; {int(present.sum())} of {labels.numel()} anchors lie on an object")

# %% [markdown]
# **g** is the absolute gradient of cross entropy with respect to the logit, |p − p\*|: near 0 for an example that is
# right already, near 1 for one that is as wrong as can be. Examples that are none are NaN.

# %%
g = gradient_norm_sigmoid(logits, labels)
objects = torch.zeros_like(g, dtype=torch.bool)
objects[present, labels[present]] = True
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for name, chosen in (("background", ~objects), ("object", objects)):
    axes.hist(g[chosen & ~g.isnan()].numpy(), bins=30, range=(0, 1), histtype="step", label=name)
axes.set(yscale="log", xlabel="gradient norm g", ylabel="examples")
axes.legend()

# %% [markdown]
# **GD(g)** is the density of the norms: how many examples have about this norm, divided by the length of the interval
# (here 30 regions). The many easy examples lie where it is highest.
#
# **β = N / GD(g)** gives every region of norms the same say. `GHMCLoss` measures by the number of objects instead, and
# takes no weight above 1: the easy and the hopeless are held down, and nothing is blown up.

# %%
valid = g[~g.isnan()]
order = valid.argsort()
density = gradient_density(valid, bins=30)
published = harmonizing_weights(valid, bins=30)
default = harmonizing_weights(valid, bins=30, normalize="positives", positives=float(present.sum()), max_weight=1.0)
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
axes[0].step(valid[order], density[order])
axes[0].set(yscale="log", xlabel="g", ylabel="density GD(g)")
axes[1].step(valid[order], published[order], label="as published")
axes[1].step(valid[order], default[order], label="by default")
axes[1].set(yscale="log", xlabel="g", ylabel="weight β")
axes[1].legend()

# %% [markdown]
# The loss is the sum of β times cross entropy, divided by the number of objects. Of all the gradient, this is the
# share of the easy half of the norms, before and after:

# %%
easy = valid < 0.5
for name, weight in (("cross entropy", torch.ones_like(default)), ("GHM-C", default)):
    share = float((weight * valid)[easy].sum() / (weight * valid).sum())
    print(f"{name}: {100 * share:.0f} % of the gradient is of examples with g < 0.5")

loss = torchghm.GHMCLoss(momentum=0)
leaf = logits.clone().requires_grad_()
loss(leaf, labels).backward()
by_hand = default.sum() * 0 + (default * torch.where(objects, -logits, logits).sigmoid()[~g.isnan()]).sum()
torch.testing.assert_close(leaf.grad.abs().sum().double() * present.sum(), by_hand.double(), rtol=1e-3, atol=1e-6)
