"""A loop of one's own: train and evaluate, save and restore."""

import io

import torch

import torchghm

torch.manual_seed(0)
model = torch.nn.Linear(8, 4)
criterion = torchghm.GHMCLoss()
optimizer = torch.optim.SGD([*model.parameters()], lr=0.1)
features = torch.randn(512, 8)
targets = torch.where(features[:, 0] > 1.5, 2, -1)  # class 2, or background

for _ in range(20):
    criterion.train()
    loss = criterion(model(features), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

checkpoint = io.BytesIO()
torch.save({"model": model.state_dict(), "criterion": criterion.state_dict()}, checkpoint)
checkpoint.seek(0)
criterion.load_state_dict(torch.load(checkpoint, weights_only=True)["criterion"])
criterion.eval()  # remembers nothing
with torch.no_grad():
    criterion(model(features), targets)
print(f"cross entropy {criterion.diagnostics.plain_loss:.3f}")
