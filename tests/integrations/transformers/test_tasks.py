"""Classification in Transformers: layouts of the tasks, the Trainer's divisor, and heads that ignore the hook."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from tests.ranks import on_ranks

import torchghm

transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[hosts]'")

from torchghm.integrations.transformers import compute_loss_func, harmonize  # noqa: E402

TEXT = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def softmax(**options):
    return torchghm.GHMCLoss(activation="softmax", **options)


def one_region():
    return softmax(bins=1, normalize="regions", max_weight=None)


def bert(head, **options):
    torch.manual_seed(0)
    config = transformers.BertConfig(**TEXT, **NO_DROPOUT, num_labels=3, **options)
    return getattr(transformers, f"BertFor{head}")(config).train()


def vit():
    torch.manual_seed(0)
    options = {key: TEXT[key] for key in TEXT if key != "vocab_size"}
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(**options, **NO_DROPOUT, image_size=8, patch_size=4, num_labels=3)
    ).train()


def llama():
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**TEXT, num_key_value_heads=2)).train()


def segformer():
    torch.manual_seed(0)
    return transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            num_encoder_blocks=2,
            depths=[1, 1],
            sr_ratios=[2, 1],
            hidden_sizes=[8, 8],
            patch_sizes=[3, 3],
            strides=[2, 2],
            num_attention_heads=[1, 1],
            mlp_ratios=[1, 1],
            decoder_hidden_size=8,
            num_labels=3,
            classifier_dropout_prob=0.0,
            drop_path_rate=0.0,
            **NO_DROPOUT,
        )
    ).train()


def words(rows=4):
    torch.manual_seed(1)
    ids = torch.randint(0, 20, (rows, 6))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def pictures(size):
    torch.manual_seed(1)
    return {"pixel_values": torch.rand(4, 3, size, size)}


def token_labels():
    labels = torch.randint(0, 3, (4, 6))
    labels[0, 3:] = -100
    return labels


def pixel_labels():
    labels = torch.randint(0, 3, (4, 16, 16))
    labels[1, :4] = 255
    return labels


CASES = {
    "token": (lambda: bert("TokenClassification"), words, token_labels),
    "sequence": (lambda: bert("SequenceClassification"), words, lambda: torch.tensor([0, 2, 1, 1])),
    "image": (vit, lambda: pictures(8), lambda: torch.tensor([0, 2, 1, 1])),
    "segmentation": (segformer, lambda: pictures(16), pixel_labels),
    "causal_lm": (llama, words, lambda: words()["input_ids"].where(torch.arange(6) > 1, -100)),
    "masked_lm": (lambda: bert("MaskedLM"), words, lambda: words()["input_ids"].where(torch.arange(6) > 3, -100)),
}


@pytest.mark.parametrize("case", CASES)
def test_one_region_is_the_hosts_own_loss(case):
    make, inputs, labels = CASES[case]
    model, inputs, labels = make(), inputs(), labels()
    own = model(**inputs, labels=labels).loss
    loss_func = compute_loss_func(model, one_region())
    assert loss_func(model(**inputs), labels).item() == pytest.approx(own.item(), rel=1e-5)
    assert loss_func.calls == 1


@pytest.mark.parametrize("case", CASES)
def test_divided_by_the_items_of_the_batch(case):
    make, inputs, labels = CASES[case]
    model, inputs, labels = make(), inputs(), labels()
    outputs = model(**inputs)
    mean = compute_loss_func(model, softmax(momentum=0))(outputs, labels)
    counted = labels[:, 1:] if case == "causal_lm" else labels
    items = (counted != -100).sum()  # as the Trainer counts: also pixels of the void label
    loss_func = compute_loss_func(model, softmax(momentum=0))
    assert loss_func(outputs, labels, num_items_in_batch=items).item() == pytest.approx(mean.item(), rel=1e-5)
    half = loss_func(outputs, labels, num_items_in_batch=2 * items)
    assert half.item() == pytest.approx(mean.item() / 2, rel=1e-5)


def test_several_labels_a_row():
    model = bert("SequenceClassification", problem_type="multi_label_classification")
    labels = torch.tensor([[0.0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 1]])
    own = model(**words(), labels=labels).loss
    loss = torchghm.GHMCLoss(bins=1, normalize="regions", max_weight=None, average="examples")
    assert compute_loss_func(model, loss)(model(**words()), labels).item() == pytest.approx(own.item(), rel=1e-5)
    with pytest.raises(ValueError, match="have activation='sigmoid', but got .*'softmax'"):
        compute_loss_func(model, softmax())(model(**words()), labels)


def test_next_token_is_the_example_and_ignored_ones_are_none():
    model = llama()
    labels = words()["input_ids"].clone()
    labels[:, :4] = -100
    loss_func = compute_loss_func(model, softmax())
    loss_func(model(**words()), labels)
    assert loss_func.loss.diagnostics.estimate.examples == 4 * 2  # tokens 5 and 6 of 4 rows


def test_density_is_of_the_whole_batch():
    histograms = []
    for rows in (slice(None), slice(0, 2), slice(2, 4)):
        model = bert("TokenClassification")
        loss_func = compute_loss_func(model, softmax())
        inputs = {key: value[rows] for key, value in words().items()}
        torch.manual_seed(2)
        loss_func(model(**inputs), token_labels()[rows])
        histograms.append(loss_func.loss.diagnostics.local_histogram)
    torch.testing.assert_close(histograms[0], histograms[1] + histograms[2])


def test_accumulated_batches_add_up_to_the_gradients_of_one():
    """With one region, whose weight no batch changes."""
    labels = torch.tensor([0, 2, 1, 1])
    found = []
    for parts in ([slice(None)], [slice(0, 1), slice(1, 4)]):
        model = bert("SequenceClassification")
        loss_func = compute_loss_func(model, one_region())
        for part in parts:
            inputs = {key: value[part] for key, value in words().items()}
            loss_func(model(**inputs), labels[part], num_items_in_batch=torch.tensor(4)).backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    torch.testing.assert_close(found[0], found[1])


def on_rank(rank):
    """As the Trainer does: items of all processes, and the loss times their number, because wrappers average."""
    part = slice(0, 1) if rank == 0 else slice(1, 4)
    model = bert("SequenceClassification")
    loss_func = compute_loss_func(model, softmax(bins=5))
    inputs = {key: value[part] for key, value in words().items()}
    (2 * loss_func(model(**inputs), torch.tensor([0, 2, 1, 1])[part], num_items_in_batch=4)).backward()
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad)
    return {name: parameter.grad / 2 for name, parameter in model.named_parameters()}


def test_two_processes_have_the_gradients_of_one(tmp_path):
    model = bert("SequenceClassification")
    compute_loss_func(model, softmax(bins=5))(model(**words()), torch.tensor([0, 2, 1, 1])).backward()
    alone = {name: parameter.grad for name, parameter in model.named_parameters()}
    first, second = on_ranks(on_rank, tmp_path)
    torch.testing.assert_close(first, alone, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(first, second)


def test_head_that_ignores_the_hook_is_named():
    model = bert("TokenClassification")
    with pytest.raises(ValueError, match="BertForTokenClassification computes its loss itself and never asks"):
        harmonize(model, softmax(), probe={**words(), "labels": token_labels()})
    assert not hasattr(model, "_loss_function")
    assert model.training
    with pytest.raises(ValueError, match="`probe` to be a batch with labels for a BertForTokenClassification"):
        harmonize(model, softmax())
    with pytest.raises(ValueError, match="no `box_loss` for a BertForTokenClassification, which has no boxes"):
        harmonize(model, softmax(), torchghm.GHMRLoss(), probe=words())


def test_head_that_asks_for_the_hook_is_harmonized():
    labels = torch.tensor([0, 2, 1, 1])
    batch = {**pictures(8), "labels": labels}
    own = vit()(**batch).loss
    model = harmonize(vit(), one_region(), probe=batch)
    assert model(**batch).loss.item() == pytest.approx(own.item(), rel=1e-5)
    assert model.loss_function.calls == 1  # the probe is no training
    model.eval()(**batch)
    assert model.loss_function.calls == 1


def test_what_does_not_fit_is_named():
    model = bert("TokenClassification")
    with pytest.raises(ValueError, match="activation='softmax', but got activation='sigmoid'"):
        compute_loss_func(model, torchghm.GHMCLoss())
    with pytest.raises(ValueError, match="`task` to be one of 'sequence', .* for a BertModel, whose name does not"):
        compute_loss_func(transformers.BertModel(transformers.BertConfig(**TEXT)), softmax())
    with pytest.raises(ValueError, match="`task` to be one of 'sequence', .* but got 'tokens'"):
        compute_loss_func(model, softmax(), task="tokens")
    with pytest.raises(ValueError, match="class indices from 0 to 2"):
        compute_loss_func(model, softmax())(SimpleNamespace(logits=torch.zeros(1, 2, 3)), torch.tensor([[0, 3]]))


def test_an_accumulated_mean_over_pixels_is_the_mean_of_the_means():
    """Transformers' own loss of a segmentation, whatever the part of void pixels in each batch."""
    model, labels = segformer(), pixel_labels()
    labels[0] = 255
    labels[0, 0, 0] = 1
    items = labels.numel()
    loss_func, sums = compute_loss_func(model, one_region()), []
    for part in (slice(0, 2), slice(2, 4)):
        inputs = {"pixel_values": pictures(16)["pixel_values"][part]}
        own = model(**inputs, labels=labels[part]).loss
        sums.append(own.item() / 2)
        ours = loss_func(model(**inputs), labels[part], num_items_in_batch=torch.tensor(items))
        assert ours.item() == pytest.approx(sums[-1], rel=1e-5)


def test_a_trainer_that_makes_its_own_model_trains_the_loss():
    loss_func = compute_loss_func(bert("TokenClassification").eval(), softmax())
    loss_func(bert("TokenClassification")(**words()), token_labels())
    assert loss_func.calls == 1
    assert loss_func.loss.density_state.seen > 0
    with torch.no_grad():
        loss_func(bert("TokenClassification")(**words()), token_labels())
    assert loss_func.calls == 1
