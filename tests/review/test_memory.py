"""The memory against a slow recomputation that walks over every anchor, object and epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.distributed as dist
from tests.detection.models import small_batch, small_detector
from tests.ranks import on_ranks

import torchghm
from torchghm.detection import harmonize
from torchghm.detection.examples.batch_examples import DetectionExamples
from torchghm.review import LabelMemory

OBJECTS, CLASSES, ANCHORS, EPOCHS = 6, 4, 40, 11


def batch(epoch, image):
    """Examples and target of an image with three objects; which anchors are theirs changes with the epoch."""
    generator = torch.Generator().manual_seed(100 * epoch + image)
    logits = torch.randn(1, ANCHORS, CLASSES, generator=generator) * 2
    owner = torch.randint(-1, 3, (ANCHORS,), generator=generator)
    if epoch % 3 == 1:
        owner[owner == 1] = -1  # the second object is nobody's
    labels = torch.tensor([image % CLASSES, 3, 1])
    positive = owner >= 0
    predicted = torch.randn(int(positive.sum()), 4, generator=generator) * 0.3
    examples = DetectionExamples(
        logits,
        torch.where(positive, labels[owner.clamp(min=0)], -1)[None],
        predicted,
        torch.zeros_like(predicted),
        positive.nonzero()[:, 0],
        (ANCHORS,),
        rows=torch.zeros(int(positive.sum()), dtype=torch.int64),
        objects=owner[positive],
    )
    return examples, [{"labels": labels, "annotations": torch.arange(3 * image, 3 * image + 3)}]


def expected():
    """Every object's figures, by loops over Python numbers."""
    figures = []
    for row in range(OBJECTS):
        image, place = divmod(row, 3)
        fast = slow = residual = margin = 0.0
        hits = unmatched = votes = 0
        rival, trajectory = -1, [float("nan")] * 8
        for epoch in range(EPOCHS):
            examples, targets = batch(epoch, image)
            label = int(targets[0]["labels"][place])
            mine = [position for position, owner in enumerate(examples.objects.tolist()) if owner == place]
            if not mine:
                unmatched += 1
                continue
            hits += 1
            rows = [
                torch.sigmoid(examples.logits[0, examples.positive_anchors[position]].double()).numpy()
                for position in mine
            ]
            mean = np.mean(rows, axis=0)
            distance = np.mean([1 - iou_from_unit_box(examples.predicted[position].tolist()) for position in mine])
            others = [value if k != label else -1 for k, value in enumerate(mean)]
            strongest = int(np.argmax(others))
            g = 1 - mean[label]
            fast += max(1 / hits, 0.5) * (g - fast)
            slow += max(1 / hits, 0.125) * (g - slow)
            residual += max(1 / hits, 0.125) * (distance - residual)
            margin += max(1 / hits, 0.125) * (mean[label] - others[strongest] - margin)
            votes += 1 if strongest == rival else -1
            if votes < 0:
                rival, votes = strongest, 1
            trajectory[min(7, epoch * 8 // EPOCHS)] = g
        figures.append((fast, slow, residual, margin, EPOCHS, unmatched, rival, trajectory))
    return figures


def iou_from_unit_box(box):
    """Compute the IoU of a box, encoded beside an anchor, with the anchor itself."""
    x, y, width, height = box[0], box[1], np.exp(box[2]), np.exp(box[3])
    common = max(0, min(x + width / 2, 0.5) - max(x - width / 2, -0.5))
    common *= max(0, min(y + height / 2, 0.5) - max(y - height / 2, -0.5))
    return common / (width * height + 1 - common)


def check(memory):
    columns = memory.columns()
    for row, (fast, slow, residual, margin, seen, unmatched, rival, trajectory) in enumerate(expected()):
        for name, value in (("gradient_norm", fast), ("slow_gradient_norm", slow), ("slope", fast - slow),
                            ("residual", residual), ("margin", margin)):  # fmt: skip
            assert float(columns[name][row]) == pytest.approx(value, abs=1e-5), (name, row)
        assert (int(columns["seen"][row]), int(columns["unmatched"][row])) == (seen, unmatched)
        assert int(columns["rival"][row]) == rival
        np.testing.assert_allclose(columns["trajectory"][row], trajectory, atol=0.5 / 254 + 1e-6)


def observe_epoch(memory, epoch, images=(0, 1)):
    for image in images:
        memory.observe(*batch(epoch, image))


def test_against_loops():
    memory = LabelMemory(OBJECTS, epochs=EPOCHS)
    for epoch in range(EPOCHS):
        observe_epoch(memory, epoch)
        memory.end_epoch()
    check(memory)
    assert memory.bytes_per_object() <= 64 - 8, "8 more are the digest in a checkpoint"


def test_resume_within_an_epoch_has_the_same_bits():
    whole, first = LabelMemory(OBJECTS, epochs=EPOCHS), LabelMemory(OBJECTS, epochs=EPOCHS)
    for epoch in range(EPOCHS):
        observe_epoch(whole, epoch)
        whole.end_epoch()
    for epoch in range(4):
        observe_epoch(first, epoch)
        first.end_epoch()
    observe_epoch(first, 4, images=(0,))
    second = LabelMemory.from_state(first.state_dict())
    observe_epoch(second, 4, images=(1,))
    second.end_epoch()
    for epoch in range(5, EPOCHS):
        observe_epoch(second, epoch)
        second.end_epoch()
    for name, column in whole.columns().items():
        assert torch.equal(column.nan_to_num(-1), second.columns()[name].nan_to_num(-1)), name


def summed(sums):
    total = sums.clone()
    dist.all_reduce(total)
    return total


def one_rank(rank):
    """Every rank has one image; the second half of the training goes on from a state of both, within an epoch."""
    memory = LabelMemory(OBJECTS, epochs=EPOCHS)
    for epoch in range(EPOCHS):
        # Images move between the ranks, as they do when they are shuffled.
        observe_epoch(memory, epoch, images=((rank + epoch) % 2,))
        if epoch == 5:
            state = memory.state_dict(summed)
            memory = LabelMemory(OBJECTS, epochs=EPOCHS)
            memory.load_state_dict(state, first=rank == 0)
        memory.end_epoch(summed)
    return memory.state_dict()


def test_two_ranks_are_one(tmp_path):
    for state in on_ranks(one_rank, tmp_path):
        check(LabelMemory.from_state(state))


@pytest.mark.parametrize("name", ["retinanet", "fcos", "ssd300", "faster_rcnn"])
def test_beside_every_detector(name):
    detector = harmonize(small_detector(name))
    images, targets = small_batch()
    frame = torch.tensor([[0.0, 0, 48, 32], [0, 0, 24, 16]])
    targets = [
        {**target, "annotations": torch.arange(2 * index, 2 * index + len(target["labels"])), "index": index,
         "frame_boxes": frame}
        for index, target in enumerate(targets)
    ]  # fmt: skip
    state = {key: value.clone() for key, value in detector.state_dict().items()}
    torch.manual_seed(0)
    without = detector(images, targets)
    detector.load_state_dict(state)
    memory = LabelMemory(objects=3, images=2, epochs=1)
    memory.watch(detector)
    torch.manual_seed(0)
    with_memory = detector(images, targets)
    assert all(torch.equal(with_memory[key], value) for key, value in without.items()), "nothing may change"
    memory.end_epoch()
    columns = memory.columns()
    assert columns["seen"].tolist() == [1, 1, 0]
    had_positives = (columns["seen"] - columns["unmatched"]) > 0  # a Faster R-CNN draws its proposals
    assert had_positives.any()
    assert had_positives[:2].all() or name == "faster_rcnn"
    assert torch.equal((columns["gradient_norm"] > 0) & (columns["gradient_norm"] <= 1), had_positives)
    assert torch.equal(columns["rival"] >= 0, had_positives)
    if name != "faster_rcnn":  # whose second stage has no anchors to look for places among
        places = memory.places.columns()
        assert len(places["score"])
        assert ((places["box"] >= 0) & (places["box"] <= 1)).all()


def test_rows_of_a_classifier():
    logits = torch.tensor([[3.0, 0.0, 1.0], [0.0, 3.0, 0.0]])
    memory = LabelMemory(objects=4, epochs=1)
    memory.observe_rows(logits, torch.tensor([0, 0]), rows=torch.tensor([3, 1]))
    memory.end_epoch()
    columns = memory.columns()
    probability = logits.double().softmax(1)
    assert float(columns["gradient_norm"][3]) == pytest.approx(1 - float(probability[0, 0]), abs=1e-6)
    assert float(columns["gradient_norm"][1]) == pytest.approx(1 - float(probability[1, 0]), abs=1e-6)
    assert columns["rival"].tolist() == [-1, 1, -1, 2]
    assert columns["seen"].tolist() == [0, 1, 0, 1]


def test_another_number_of_objects_is_refused():
    with pytest.raises(ValueError, match="`objects` to be an integer of at least 0, but got 2.5"):
        LabelMemory(2.5, epochs=1)
    state = LabelMemory(3, epochs=1).state_dict()
    with pytest.raises(ValueError, match="a memory of 4 objects, but got one of 3"):
        LabelMemory(4, epochs=1).load_state_dict(state)
    with pytest.raises(TypeError, match="made by `harmonize`"):
        LabelMemory(4, epochs=1).watch(torch.nn.Linear(1, 1))


def test_rows_that_are_no_example_are_left_out_and_wrong_ones_named():
    logits = torch.tensor([[3.0, 0.0, 1.0], [0.0, 3.0, 0.0]])
    memory, without = LabelMemory(objects=4, epochs=1), LabelMemory(objects=4, epochs=1)
    memory.observe_rows(logits, torch.tensor([0, -100]), rows=torch.tensor([3, 1]))
    without.observe_rows(logits[:1], torch.tensor([0]), rows=torch.tensor([3]))
    for one in (memory, without):
        one.end_epoch()
    for name, column in without.columns().items():
        torch.testing.assert_close(memory.columns()[name], column, equal_nan=True)
    with pytest.raises(ValueError, match=r"`targets` to be integers from 0 to 2, but got values from 0 to 3"):
        memory.observe_rows(logits, torch.tensor([0, 3]), rows=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"`rows` to be integers from 0 to 3, but got values from 0 to 4"):
        memory.observe_rows(logits, torch.tensor([0, 1]), rows=torch.tensor([0, 4]))


@pytest.mark.parametrize("name", ["retinanet", "faster_rcnn"])
def test_other_losses_later_are_observed_too(name):
    detector = harmonize(small_detector(name))
    images, targets = small_batch()
    targets = [
        {**target, "annotations": torch.arange(2 * index, 2 * index + len(target["labels"]))}
        for index, target in enumerate(targets)
    ]
    memory = LabelMemory(objects=4, epochs=1)
    memory.watch(detector)
    detector(images, targets)
    harmonize(detector, torchghm.GHMCLoss())(images, targets)
    assert memory.state_dict()["sums"][0].max() == 2
