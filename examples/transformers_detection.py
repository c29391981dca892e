"""RT-DETR of Transformers in a plain loop: built here from a small configuration, on made images."""

import torch
from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

import torchghm
from torchghm.integrations.transformers import harmonize

torch.manual_seed(0)
backbone = RTDetrResNetConfig(
    embedding_size=8,
    hidden_sizes=[8, 16, 16, 16],
    depths=[1, 1, 1, 1],
    layer_type="basic",
    out_features=["stage2", "stage3", "stage4"],
)
config = RTDetrConfig(
    backbone_config=backbone,
    d_model=16,
    encoder_hidden_dim=16,
    encoder_in_channels=[16, 16, 16],
    encoder_attention_heads=2,
    decoder_in_channels=[16, 16, 16],
    decoder_attention_heads=2,
    decoder_layers=2,
    num_queries=20,
    num_denoising=10,
    num_labels=2,
)
model = harmonize(RTDetrForObjectDetection(config).train(), torchghm.GHMCLoss(), torchghm.GHMRLoss())
images = torch.rand(2, 3, 64, 64)
labels = [
    {"class_labels": torch.tensor([0, 1]), "boxes": torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.2, 0.3, 0.2, 0.2]])}
] * 2
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(5):
    loss = model(pixel_values=images, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    last = model.loss_function.cls_losses.branch("last").diagnostics
    print(f"step {step}: loss {loss.item():.1f}, cross entropy of the last layer {last.plain_loss:.3f}")
state = model.loss_function.state_dict()  # to save beside your own checkpoint
print(f"{len(state['cls_losses'])} tensors of states")
