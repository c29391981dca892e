import torch

from torchghm.training.loop.epoch_means import EpochMeans


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


def test_ranks_that_go_on_within_an_epoch_count_nothing_twice():
    ranks = [EpochMeans(), EpochMeans()]
    for means, value in zip(ranks, (1.0, 3.0), strict=True):
        means.add({"a": torch.tensor(value)})
    totals = sum(means.state_dict()["a"] for means in ranks)
    state = ranks[0].state_dict(lambda own: totals[None])
    resumed = [EpochMeans(), EpochMeans()]
    for rank, (means, value) in enumerate(zip(resumed, (5.0, 7.0), strict=True)):
        means.load_state_dict(state, first=rank == 0)
        means.add({"a": torch.tensor(value)})
    assert resumed[0].compute(lambda own: own + resumed[1].state_dict()["a"]) == {"a": 4.0}
    assert EpochMeans().state_dict() == {}
