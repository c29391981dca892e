"""A Lightning module: the loss is a submodule, so that it moves, is saved and is restored with the model."""

import lightning
import torch

import torchghm


class Classifier(lightning.LightningModule):
    """One class of three, of which the last is rare."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 3)
        self.loss = torchghm.GHMCLoss(activation="softmax")

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Return the loss of a batch; in DistributedDataParallel too it is of the joint batch."""
        features, labels = batch
        loss: torch.Tensor = self.loss(self.layer(features), labels)
        self.log("cross_entropy", self.loss.diagnostics.plain_loss, prog_bar=True)  # what shows learning
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


torch.manual_seed(0)
features = torch.randn(256, 8)
labels = (features[:, 0] > 0).long() + (features[:, 1] > 2).long()
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(features, labels.clamp(max=2)), batch_size=32)
trainer = lightning.Trainer(
    max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
)
trainer.fit(module := Classifier(), loader)
print(f"cross entropy {trainer.callback_metrics['cross_entropy']:.3f}, saved with it: {list(module.state_dict())[2:]}")
