"""Token classification with Transformers' Trainer: a tiny BERT on made text of which few words are names."""

import tempfile

import torch
from transformers import BertConfig, BertForTokenClassification, Trainer, TrainingArguments

import torchghm
from torchghm.integrations.transformers import StateCallback, compute_loss_func

torch.manual_seed(0)
words = torch.randint(0, 20, (64, 12))
rows = [{"input_ids": row, "labels": (row == 19).long()} for row in words]  # word 19 is a name: one in twenty

model = BertForTokenClassification(
    BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
)
loss = compute_loss_func(model, torchghm.GHMCLoss(activation="softmax"))
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(folder, max_steps=60, learning_rate=1e-2, use_cpu=True, report_to=[], save_steps=60)
    Trainer(model, arguments, train_dataset=rows, compute_loss_func=loss, callbacks=[StateCallback(loss)]).train()
with torch.no_grad():
    found = model.eval()(words).logits.argmax(-1)
print(f"{(found[words == 19] == 1).float().mean():.2f} of the names found")
