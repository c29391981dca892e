import numpy as np

from torchghm.training.evaluation.drawing import class_colour, draw_boxes


def test_a_drawn_box_has_the_colour_of_its_class():
    image = draw_boxes(np.full((100, 200, 3), 255, dtype=np.uint8), [[50, 40, 150, 90]], [1], ["bee 0.90"])
    assert image.getpixel((100, 90)) == class_colour(1)
    assert image.getpixel((100, 70)) == (255, 255, 255)
    assert len({class_colour(label) for label in range(80)}) == 80
