import pytest
import torch

from torchghm.data import DetectionDataset, load_data, training_transforms
from torchghm.training.loop.data_order import EpochBatches, SeededSamples, check_batch_size


def batches(epoch=0, **options):
    return EpochBatches(**{"images": 11, "batch_size": 4, "seed": 1, **options}, epoch=lambda: epoch)


def test_every_image_once_and_no_partial_batch():
    drawn = list(batches())
    assert [len(batch) for batch in drawn] == [4, 4] == [4] * len(batches())
    assert len({key for batch in drawn for key in batch}) == 8
    assert {epoch for batch in drawn for epoch, _ in batch} == {0}


def test_order_is_a_function_of_seed_and_epoch():
    def order(**options):
        return [index for batch in batches(**options) for _, index in batch]

    assert order() == order()
    assert len({tuple(order(**options)) for options in ({}, {"epoch": 1}, {"seed": 2}, {"seed": 0, "epoch": 1})}) == 4


@pytest.mark.parametrize(("processes", "accumulate"), [(2, 1), (1, 2), (2, 2)])
def test_processes_and_parts_share_the_same_steps(processes, accumulate):
    whole = list(batches())
    shares = [list(batches(rank=rank, processes=processes, accumulate=accumulate)) for rank in range(processes)]
    for step, batch in enumerate(whole):
        parts = [share[step * accumulate + part] for part in range(accumulate) for share in shares]
        assert [key for part in parts for key in part] == batch


def test_batches_that_can_not_be_are_refused():
    with pytest.raises(ValueError, match=r"`data.batch_size` to be a multiple of 3 \(processes\) x 1"):
        check_batch_size(11, 4, processes=3, accumulate=1)
    with pytest.raises(ValueError, match=r"`data.batch_size` to be at most the 3 training images, but got 4"):
        check_batch_size(3, 4, processes=1, accumulate=1)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_augmentation_is_a_function_of_seed_epoch_and_image(tiny_data, mosaic):
    data = load_data(tiny_data)
    dataset = DetectionDataset(
        data.select("train"), data.classes, training_transforms(scale_jitter=(0.5, 1.5)), training=True, mosaic=mosaic
    )

    def image(seed=0, key=(0, 1)):
        return SeededSamples(dataset, seed)[key][0]

    state = torch.random.get_rng_state()
    first = image()
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's generator is left alone
    torch.rand(7)
    assert torch.equal(image(), first)
    assert not torch.equal(image(seed=1), first)
    assert not torch.equal(image(key=(1, 1)), first)
    assert SeededSamples(dataset, 0)[0, 1][1]["index"] == 1
