"""``python -m benchmarks.hosts.tokens``: token classification in Transformers' Trainer, its own loss and GHM-C.

A made corpus: sentences of which one token in twenty is a name of one of six kinds, the rarest a tenth as frequent
as the commonest. A name's kind follows from the word before it, where that is a cue, else from the name itself in four
of five cases; names without a kind occur, too. Wrong labels are names whose kind is another one, or none. Every loss
starts from the same weights and sees the same batches; the held-out sentences are labelled rightly.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from transformers import BertConfig, BertForTokenClassification, PrinterCallback, Trainer, TrainingArguments

from benchmarks.hosts.paired_table import paired_table
from benchmarks.speed.measure import settings
from torchghm import FocalLoss, GHMCLoss
from torchghm.integrations.transformers import StateCallback, compute_loss_func

KINDS = 6
RAREST = 1 / 10
LENGTH = 32
NAME_SHARE = 0.05
CUES, NAMES, WORDS = 4, 15, 600
"""Cues and names of each kind, words that are neither."""
TRAINING, HELD_OUT = 1200, 1500

Loss = Callable[[], nn.Module]

METHODS: dict[str, Loss | None] = {
    "own": None,
    "focal": lambda: FocalLoss(activation="softmax"),
    "GHM-C": lambda: GHMCLoss(activation="softmax"),
    "GHM-C as published": lambda: GHMCLoss.published(activation="softmax"),
}
"""None for the host's own cross entropy."""


class Corpus(NamedTuple):
    """Sentences [N, T] of words and their labels [N, T]: 0 for no name, else its kind."""

    words: np.ndarray
    labels: np.ndarray


def made_corpus(sentences: int, generator: np.random.Generator) -> Corpus:
    """Sentences whose words outside of names and cues are spread as 1 / rank."""
    frequency = 1 / np.arange(1, WORDS + 1)
    words = generator.choice(WORDS, (sentences, LENGTH), p=frequency / frequency.sum())
    labels = np.zeros_like(words)
    share = RAREST ** (np.arange(KINDS) / (KINDS - 1))
    for row, column in np.argwhere(generator.random((sentences, LENGTH)) < NAME_SHARE / 0.8):
        kind = generator.choice(KINDS, p=share / share.sum())
        meant = kind  # of the name's own kind
        if column and generator.random() < 0.6:
            words[row, column - 1] = WORDS + kind * CUES + generator.integers(CUES)
            labels[row, column - 1] = 0
            meant = generator.integers(KINDS)
        elif generator.random() < 0.2:
            meant = generator.integers(KINDS)
        words[row, column] = WORDS + KINDS * CUES + meant * NAMES + generator.integers(NAMES)
        labels[row, column] = 0 if generator.random() < 0.2 else kind + 1
    return Corpus(words, labels)


def with_wrong_labels(corpus: Corpus, share: float, generator: np.random.Generator) -> Corpus:
    """The corpus with this share of its names as another kind, or as none."""
    labels = corpus.labels.copy()
    names = np.argwhere(labels > 0)
    for row, column in names[generator.permutation(len(names))[: round(share * len(names))]]:
        labels[row, column] = (labels[row, column] + generator.integers(1, KINDS + 1)) % (KINDS + 1)
    return Corpus(corpus.words, labels)


def trained_scores(training: Corpus, held_out: Corpus, make: Loss | None, seed: int, epochs: int) -> dict[str, float]:
    """Train a small BERT from scratch; return macro-F1 over the kinds and F1 over all names, in percent."""
    torch.manual_seed(seed)
    model = BertForTokenClassification(
        BertConfig(
            vocab_size=WORDS + KINDS * (CUES + NAMES),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=LENGTH,
            num_labels=KINDS + 1,
        )
    )
    options: dict[str, Any] = {}
    if make is not None:
        loss = compute_loss_func(model, make())
        options = {"compute_loss_func": loss, "callbacks": [StateCallback(loss)]}
    rows = [
        {"input_ids": torch.from_numpy(words), "labels": torch.from_numpy(labels)}
        for words, labels in zip(training.words, training.labels, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=32,
            learning_rate=2e-3,
            lr_scheduler_type="linear",
            warmup_steps=20,
            seed=seed,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            save_strategy="no",
            logging_strategy="no",
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, **options)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    with torch.no_grad():
        found = model.eval()(torch.from_numpy(held_out.words)).logits.argmax(-1).numpy().ravel()
    truth, kinds = held_out.labels.ravel(), list(range(1, KINDS + 1))
    return {
        "macro-F1": 100 * float(f1_score(truth, found, labels=kinds, average="macro", zero_division=0)),
        "F1": 100 * float(f1_score(truth, found, labels=kinds, average="micro", zero_division=0)),
    }


def main() -> None:
    """Train every loss with every seed and share of wrong labels; print and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts.tokens", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.2], help="shares of wrong names")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/accuracy"), help="folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    lines = []
    for noise in options.noise:
        scores: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
        for seed in range(options.seeds):
            generator = np.random.default_rng([seed, 23])
            clean, held_out = made_corpus(TRAINING, generator), made_corpus(HELD_OUT, generator)
            training = with_wrong_labels(clean, noise, generator)
            for method, make in METHODS.items():
                scores[method].append(trained_scores(training, held_out, make, seed, options.epochs))
                print(noise, seed, method, scores[method][-1], file=sys.stderr, flush=True)
        table = ["", f"## {noise:.0%} of the names labelled wrongly", "", *paired_table(scores)]
        print("\n".join(table), flush=True)
        lines += table
    command = shlex.join(["python", "-m", "benchmarks.hosts.tokens", *sys.argv[1:]])
    head = [
        "# Token classification in Transformers' Trainer",
        "",
        f"`{command}`, {time.perf_counter() - started:.0f} s. F1 in percent on {HELD_OUT} sentences with right labels: "
        f"mean over the {KINDS} kinds of names, and over all names. Paired differences with 95 % intervals.",
        "",
        *(f"- {key}: {value}" for key, value in settings("cpu").items()),
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{datetime.date.today().isoformat()}-host-tokens.md"
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
