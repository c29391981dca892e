import pytest
from tests.training.tiny import TINY

from torchghm.training import train


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_on_a_processor_without_it_is_said(tiny_data, tmp_path, caplog, monkeypatch, supported):
    monkeypatch.setattr("torchghm.training.trainer._computes_in_bfloat16", lambda: supported)
    recipe = TINY.with_values({"trainer.precision": "bf16-mixed", "data.evaluate": "tset"})
    with pytest.raises(ValueError, match="tset"):
        train(tiny_data, recipe=recipe, out=tmp_path / "run")
    assert [message.split(":")[0] for message in caplog.messages] == ["trainer.precision"] * (not supported)
