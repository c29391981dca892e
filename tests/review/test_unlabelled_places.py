"""Places that a detector sees and no label has, through transforms and epochs."""

from __future__ import annotations

import torch
from torchvision import tv_tensors

from torchghm.data import training_transforms
from torchghm.detection.examples.batch_examples import DetectionExamples
from torchghm.review.unlabelled_places import UnlabelledPlaces, in_frame

FRAME = torch.tensor([[0.0, 0.0, 50.0, 50.0], [0.0, 0.0, 25.0, 25.0]])  # of an image of 100 x 100


def seen(boxes, logits, labelled=()):
    """A batch of one image with an anchor for each box, all of them background; three classes."""
    examples = DetectionExamples(
        torch.tensor(logits)[None],
        torch.full((1, len(boxes)), -1),
        torch.zeros(0, 4),
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.int64),
        (len(boxes),),
    )
    target = {"boxes": torch.tensor(labelled).reshape(-1, 4), "index": 1, "frame_boxes": FRAME}
    return examples, [target], lambda anchors: torch.tensor(boxes)[anchors]


def test_a_place_is_kept_over_epochs_and_one_with_a_label_is_not():
    places = UnlabelledPlaces(images=2)
    boxes = [[10.0, 10, 30, 30], [12.0, 10, 32, 30], [60.0, 60, 90, 90], [10.0, 60, 30, 90]]
    logits = [[0.0, 3.0, -4.0], [0.0, 2.0, -4.0], [5.0, -4.0, -4.0], [-4.0, -4.0, 1.0]]
    for _ in range(3):
        places.observe(*seen(boxes, logits, labelled=[[61.0, 60, 90, 88]]))
        places.end_epoch(lambda sums: sums)
    columns = places.columns()
    assert columns["image"].tolist() == [1, 1]
    assert columns["label"].tolist() == [1, 2]
    assert columns["epochs"].tolist() == [3, 3]
    torch.testing.assert_close(columns["score"], torch.tensor([3.0, 1.0]).sigmoid())
    torch.testing.assert_close(columns["box"], torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.1, 0.6, 0.3, 0.9]]))


def test_a_place_that_is_not_seen_again_fades_and_other_images_stay():
    places = UnlabelledPlaces(images=2)
    places.observe(*seen([[10.0, 10, 30, 30]], [[0.0, 3.0, -4.0]]))
    places.end_epoch(lambda sums: sums)
    first = float(places.columns()["score"])
    places.end_epoch(lambda sums: sums)  # an epoch without this image says nothing
    assert float(places.columns()["score"]) == first
    places.observe(*seen([[60.0, 10, 80, 30]], [[0.0, 3.0, -4.0]]))
    places.end_epoch(lambda sums: sums)
    columns = places.columns()
    assert columns["epochs"].tolist() == [1, 1]
    assert columns["score"].tolist()[0] == first > columns["score"].tolist()[1] > 0


def test_images_without_a_frame_are_left_out():
    examples, targets, predicted = seen([[10.0, 10, 30, 30]], [[0.0, 3.0, -4.0]])
    mosaic = {"boxes": torch.zeros(0, 4), "index": 0}
    pair = examples._replace(logits=examples.logits.repeat(2, 1, 1), targets=examples.targets.repeat(2, 1))
    places = UnlabelledPlaces(images=2)
    places.observe(pair, [mosaic, *targets], lambda anchors: predicted(anchors[1])[None].repeat(2, 1, 1))
    places.end_epoch(lambda sums: sums)
    assert places.columns()["image"].tolist() == [1]


def test_the_frame_undoes_every_transform():
    transforms = training_transforms(flip=0.5, vertical_flip=0.5, scale_jitter=(0.6, 1.6), translate=0.2)
    box = torch.tensor([[40.0, 30.0, 60.0, 50.0]])
    undone = 0
    for seed in range(30):
        torch.manual_seed(seed)
        frame = torch.tensor([[0.0, 0, 64, 48], [0, 0, 32, 24]])
        _, target = transforms(
            tv_tensors.Image(torch.zeros(3, 96, 128, dtype=torch.uint8)),
            {
                "boxes": tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=(96, 128)),
                "labels": torch.zeros(1, dtype=torch.int64),
                "annotations": torch.tensor([7]),
                "frame_boxes": tv_tensors.BoundingBoxes(
                    frame, format="XYXY", canvas_size=(96, 128), clamping_mode=None
                ),
            },
        )
        assert len(target["annotations"]) == len(target["boxes"]), "the id goes when the object goes"
        moved = target["boxes"].as_subclass(torch.Tensor)
        if len(moved) and (moved[0, :2] > 0).all() and moved[0, 2] < 128 and moved[0, 3] < 96:  # not cut off
            back = in_frame(moved, target["frame_boxes"].as_subclass(torch.Tensor)) * torch.tensor([128, 96, 128, 96])
            torch.testing.assert_close(back, box, atol=1.0, rtol=0)
            undone += 1
    assert undone > 15
