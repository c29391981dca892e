import torch

from torchghm.training.epoch_means import EpochMeans


def test_means_without_what_is_not_finite():
    means = EpochMeans()
    for value in (1.0, 3.0, float("nan"), float("inf")):
        means.add({"a": torch.tensor(value), "b": torch.tensor(2, dtype=torch.int64)})
    means.add({"c": torch.tensor(float("nan"))})
    assert means.compute() == {"a": 2.0, "b": 2.0}
    assert means.compute() == {}


def test_ranks_are_summed_and_not_averaged():
    means = EpochMeans()
    means.add({"a": torch.tensor(1.0)})
    other_rank = torch.tensor([[9.0, 3.0]])
    assert means.compute(lambda totals: totals + other_rank) == {"a": 2.5}
