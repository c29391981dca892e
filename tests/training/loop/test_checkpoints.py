"""Checkpoints are whole, or the ones before."""

import signal

import pytest
import torch
from tests.training.tiny import TINY

from torchghm.atomic_files import WriteError
from torchghm.training.loop.checkpoints import SafeCheckpointIO, load_checkpoint


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, no_file_beyond):
    path = tmp_path / "checkpoints" / "last.ckpt"
    SafeCheckpointIO().save_checkpoint({"epoch": 1}, path)
    says = r"can't write '.*last.ckpt' \(the one before is kept\): File too large$"
    with no_file_beyond(100_000), pytest.raises(WriteError, match=says):
        SafeCheckpointIO().save_checkpoint({"epoch": 2, "weights": torch.ones(1_000_000)}, path)
    assert torch.load(path) == {"epoch": 1}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_no_code_is_read_from_a_checkpoint(tmp_path):
    torch.save(TINY, tmp_path / "code.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        SafeCheckpointIO().load_checkpoint(tmp_path / "code.ckpt")


@pytest.mark.parametrize("name", ["other.pt", "broken.ckpt", "code.pt", "empty.ckpt", "part.ckpt", "number.ckpt"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, name):
    torch.save({"model": {}}, tmp_path / "other.pt")
    (tmp_path / "broken.ckpt").write_bytes(b"PK\x03\x04 but not for long")
    torch.save(TINY, tmp_path / "code.pt")
    (tmp_path / "empty.ckpt").touch()
    torch.save({"torchghm": {}}, tmp_path / "part.ckpt")
    torch.save({"torchghm": 3}, tmp_path / "number.ckpt")
    with pytest.raises(ValueError, match=name) as error:
        load_checkpoint(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*none\.ckpt"):
        load_checkpoint(tmp_path / "none.ckpt")


def test_weights_that_are_not_finite_are_named(trained, tmp_path):
    content = torch.load(trained.folder.last, weights_only=True)
    name = next(name for name in content["state_dict"] if name.endswith("cls_logits.weight"))
    content["state_dict"][name][0, 0] = float("nan")
    torch.save(content, tmp_path / "broken.ckpt")
    saved = load_checkpoint(tmp_path / "broken.ckpt")
    with pytest.raises(ValueError, match=rf"broken\.ckpt' to be finite, but got others in '{name}'"):
        saved.module()


class Interrupting:
    """Ctrl-C while this is written."""

    def __reduce__(self):
        signal.raise_signal(signal.SIGINT)
        return int, ()


def test_ctrl_c_while_a_checkpoint_is_written_comes_after_it(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        SafeCheckpointIO().save_checkpoint({"epoch": Interrupting(), "weights": torch.ones(9)}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["weights"].sum() == 9
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert signal.getsignal(signal.SIGINT) is handler
