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
# # Unbalanced rows with wrong labels
#
# Nothing here is an image: rows of numbers, ten classes of which the rarest has a twentieth of the most frequent one's
# rows, and a fifth of the training labels are wrong. What do cross entropy and GHM-C make of it?
#
# It needs `pip install 'torchghm[cpu]' scikit-learn matplotlib`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch import nn

import torchghm
from torchghm.functional import gradient_norm_softmax

rng = np.random.default_rng(0)
scans, digit = load_digits(return_X_y=True)
inputs, test_inputs, labels, test_labels = train_test_split(
    scans / 16, digit, test_size=0.4, stratify=digit, random_state=0
)
kept = rng.random(len(labels)) < 0.05 ** (labels / 9)
inputs, true = inputs[kept], labels[kept]
wrong = rng.random(len(true)) < 0.2
given = np.where(wrong, (true + rng.integers(1, 10, len(true))) % 10, true)
print(f"{len(true)} rows, {np.bincount(true)} a class, {wrong.sum()} wrong labels")

# %% [markdown]
# The same network, seed and steps for both losses.

# %%
features, target = torch.tensor(inputs, dtype=torch.float32), torch.tensor(given)


def trained(criterion: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(30):
        for rows in torch.randperm(len(target)).split(128):
            optimizer.zero_grad()
            criterion(model(features[rows]), target[rows]).backward()
            optimizer.step()
    return model.eval()


models = {
    "cross entropy": trained(nn.CrossEntropyLoss()),
    "GHM-C": trained(torchghm.GHMCLoss(activation="softmax")),
}
for name, model in models.items():
    guessed = model(torch.tensor(test_inputs, dtype=torch.float32)).argmax(1)
    print(f"{name}: macro F1 {f1_score(test_labels, guessed, average='macro'):.3f} on rows with right labels")

# %% [markdown]
# One seed is no comparison: `python -m benchmarks.tabular` in the repository runs many, with intervals. What the loss
# sees is plain in one: rows with wrong labels gather where the gradient norm is near 1, and GHM-C counts them there.

# %%
with torch.no_grad():
    g = gradient_norm_softmax(models["GHM-C"](features), target).numpy()
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.hist([g[~wrong], g[wrong]], bins=20, range=(0, 1), stacked=True, label=["right labels", "wrong labels"])
axes.set(xlabel="gradient norm g", ylabel="training rows")
axes.legend()
worst = np.argsort(-g)[: wrong.sum()]
print(f"of the {len(worst)} rows with the largest g, {wrong[worst].mean():.0%} have a wrong label")
