import pytest
from benchmarks.trainer import of_a_plain_loop, of_the_trainer
from tests.data.layouts import write_coco
from tests.training.tiny import TINY

from torchghm.data import load_data


@pytest.mark.parametrize("measure", [of_the_trainer, of_a_plain_loop])
def test_a_second_epoch_has_a_rate(measure, tmp_path):
    data = load_data(write_coco(tmp_path / "data"))
    assert measure(data, TINY.with_values({"data.batch_size": 1, "trainer.epochs": 2})) > 0
