from __future__ import annotations

import pytest
import torch
from tests.data.layouts import CLASSES, SAMPLES, coco_instances, write_coco
from torch.utils.data import DataLoader
from torchmetrics.detection import MeanAveragePrecision
from torchvision import tv_tensors
from torchvision.transforms import v2

from torchghm.data import DetectionDataset, ImageError, collate, evaluation_transforms, load_data, training_transforms
from torchghm.data.loading.image_cache import ImageCache


def with_crowd(root):
    annotations = coco_instances(SAMPLES[:3])["annotations"]
    annotations[0] |= {"iscrowd": 1, "area": 50.0}
    return load_data(write_coco(root, annotations=annotations)).splits["train"]


@pytest.fixture
def records(tmp_path):
    return with_crowd(tmp_path / "data")


def test_an_item_for_training_leaves_crowds_out(records):
    image, target = DetectionDataset(records, CLASSES, training=True)[0]
    assert (image.shape, image.dtype, type(image)) == ((3, 30, 40), torch.uint8, torch.Tensor)
    assert set(target) == {"boxes", "labels", "image_id", "ignored_boxes", "annotations", "frame_boxes"}
    assert target["annotations"].tolist() == [1]  # the second object of all
    assert target["frame_boxes"].tolist() == [[0, 0, 20, 15], [0, 0, 10, 7.5]]
    assert target["ignored_boxes"].tolist() == [[1, 2, 11, 12]]
    assert type(target["ignored_boxes"]) is torch.Tensor
    assert target["boxes"].tolist() == [[5, 5, 30, 25]]
    assert (target["boxes"].dtype, type(target["boxes"])) == (torch.float32, torch.Tensor)
    assert target["labels"].tolist() == [2]
    assert target["labels"].dtype == torch.int64
    assert target["image_id"] == 1


def test_an_item_for_evaluation_has_what_coco_counts_with(records):
    _, target = DetectionDataset(records, CLASSES)[0]
    assert target["boxes"].tolist() == [[1, 2, 11, 12], [5, 5, 30, 25]]
    assert target["iscrowd"].tolist() == [1, 0]
    assert target["area"].tolist() == [50, 500]


def test_an_image_without_boxes(records):
    for training in (True, False):
        for transforms in (None, training_transforms(scale_jitter=(0.5, 2.0)), evaluation_transforms()):
            _, target = DetectionDataset(records, CLASSES, transforms, training=training)[2]
            assert target["boxes"].shape == (0, 4)
            assert target["labels"].shape == (0,)


def test_images_from_memory_are_the_same(records):
    cache = ImageCache(records)
    transforms = training_transforms(colour_jitter=0.5)
    for options in ({}, {"training": True}, {"training": True, "mosaic": 1.0, "transforms": transforms}):
        items = []
        for each in (None, cache):
            torch.manual_seed(0)
            items.append(DetectionDataset(records, CLASSES, cache=each, **options)[0])
        assert torch.equal(items[0][0], items[1][0])
    items[1][0].zero_()
    assert cache[0].any()  # a caller may change what it was given
    with pytest.raises(ValueError, match="Expected argument `cache` to be of 2 images, but got 3"):
        DetectionDataset(records[:2], CLASSES, cache=cache)


def test_pixels_are_in_their_places(records):
    image, _ = DetectionDataset(records, CLASSES)[0]
    assert image[:, 0, 0].tolist() == [0, 0, 255]
    assert image[:, 29, 39].tolist() == [165, 82, 90]


def test_transforms_get_images_and_boxes_that_know_what_they_are(records):
    seen = []

    def look(image, target):
        seen.append((type(image), type(target["boxes"]), target["boxes"].format.value, target["boxes"].canvas_size))
        return image, target

    DetectionDataset(records, CLASSES, look)[0]
    assert seen == [(tv_tensors.Image, tv_tensors.BoundingBoxes, "XYXY", (30, 40))]


def test_areas_follow_a_resize(records):
    image, target = DetectionDataset(records, CLASSES, v2.Resize((60, 120)))[0]
    assert image.shape == (3, 60, 120)
    assert target["boxes"][1].tolist() == [15, 10, 90, 50]
    torch.testing.assert_close(target["area"], torch.tensor([300.0, 3000.0]))


def test_items_may_be_changed_without_changing_the_records(records):
    dataset = DetectionDataset(records, CLASSES)
    for _ in range(2):
        _, target = dataset[0]
        assert target["boxes"][0].tolist() == [1, 2, 11, 12]
        assert target["labels"][0] == 0
        target["boxes"].zero_()
        target["labels"].fill_(9)


def test_batches_from_worker_processes(records):
    dataset = DetectionDataset(records, CLASSES, training_transforms(), training=True)
    loader = DataLoader(dataset, batch_size=2, num_workers=1, collate_fn=collate)
    batches = list(loader)
    assert [[target["image_id"] for target in targets] for _, targets in batches] == [[1, 2], [3]]
    images, targets = batches[0]
    assert isinstance(images, list)
    assert isinstance(targets, list)
    assert images[0].shape == (3, 30, 40)


def test_errors_of_worker_processes_name_the_image(records):
    records[1].path.write_bytes(b"no image any more")
    loader = DataLoader(DetectionDataset(records, CLASSES), batch_size=None, num_workers=1)
    with pytest.raises(ImageError, match=r"^image '.*b\.png': cannot be recognised as an image$") as raised:
        list(loader)
    assert "Traceback" not in str(raised.value)


def test_a_missing_or_changed_image_is_one_clear_error(records):
    dataset = DetectionDataset(records, CLASSES)
    records[0].path.unlink()
    with pytest.raises(ValueError, match=r"a\.png'.*does not exist"):
        dataset[0]
    records[2].path.rename(records[1].path.with_name("kept.png"))
    (records[1].path.with_name("kept.png")).rename(records[1].path)
    assert dataset[1][0].shape == (3, 30, 40)


def test_perfect_predictions_score_one(records):
    metric = MeanAveragePrecision(backend="faster_coco_eval")
    dataset = DetectionDataset(records, CLASSES, evaluation_transforms())
    for _, target in (dataset[index] for index in range(len(dataset))):
        real = target["iscrowd"] == 0
        found = {
            "boxes": target["boxes"][real],
            "labels": target["labels"][real],
            "scores": torch.ones(int(real.sum())),
        }
        metric.update([found], [target])
    assert metric.compute()["map"] == 1
