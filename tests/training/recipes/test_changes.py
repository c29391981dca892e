from torchghm.training import Recipe, load_recipe


def test_options_and_weight_go_with_their_loss():
    harmonized = Recipe().with_values({"loss.cls_options.bins": 10, "loss.cls_weight": 2, "loss.box_weight": 3})
    assert harmonized.with_values({"loss.cls": "ghmc"}) == harmonized
    focal = harmonized.with_values({"loss.cls": "focal"}).loss
    assert (focal.cls_options, focal.cls_weight, focal.box_weight) == ({}, None, 3)
    assert harmonized.with_values({"loss.cls": "focal", "loss.cls_weight": 4}).loss.cls_weight == 4


def test_options_go_with_their_detector():
    scenes = load_recipe("scenes")
    fcos = scenes.with_values({"model.detector": "fcos"})
    assert (fcos.model.anchor_sizes, fcos.model.pyramid_channels) == (None, 64)
    assert fcos.data.image_size == (96, 128)
    ssd = load_recipe("scenes", {"model.detector": "ssd300", "loss.cls_options.activation": "softmax"})
    assert (ssd.data.image_size, ssd.model.pyramid_channels) == (None, None)
    assert ssd.loss.cls_options == {"activation": "softmax"}
    second = load_recipe("scenes", {"model.detector": "faster_rcnn", "loss.stage": "roi", "loss.cls": "own"})
    assert second.loss.stage == "roi"
    assert second.with_values({"model.detector": "fcos"}).loss.stage is None
