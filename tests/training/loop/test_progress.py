import io
import re

from rich.console import Console
from tests.training.tiny import TINY

from torchghm.training import train
from torchghm.training.loop import progress as progress_module

LINE = re.compile(
    r"epoch (\d)/2  AP \d+\.\d  AP50 \d+\.\d  loss \d+\.\d{3}  cls \d+\.\d{3}  box \d+\.\d{3}  "
    r"cross entropy \d+\.\d{3}  \d+\.\d images/s  0:\d\d:\d\d left"
)


def test_a_log_file_gets_a_line_an_epoch_and_a_terminal_a_bar(tiny_data, run_path, monkeypatch):
    written = {}
    for terminal in (False, True):
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=terminal, width=120, legacy_windows=False)
        monkeypatch.setattr(progress_module, "Console", lambda stderr, console=console: console)
        recipe = TINY.with_values({"loss.cls": "ce", "loss.box": "l1"})
        train(tiny_data, recipe=recipe, out=run_path, overwrite=terminal, progress=True)
        written[terminal] = stream.getvalue()
    first, *lines = written[False].splitlines()
    assert re.fullmatch(r"epoch 1/2  step 2/4  \d+\.\d images/s, about 0:\d\d:\d\d left", first)
    assert [LINE.fullmatch(line).group(1) for line in lines] == ["1", "2"]
    assert "\x1b" not in written[False]
    assert LINE.search(written[True])
    assert "\x1b[" in written[True]
    assert re.search(r"\d/4", written[True])


def test_a_run_of_several_shows_how_far_they_are(tiny_data, run_path, monkeypatch):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, legacy_windows=False)
    monkeypatch.setattr(progress_module, "Console", lambda stderr: console)
    train(tiny_data, recipe=TINY, out=run_path, progress=progress_module.RunOfSeveral(finished=2, runs=5))
    shown = [int(steps) for steps in re.findall(r"all runs.*?(\d+)/20", stream.getvalue())]
    assert set(shown) <= {0, 9, 10, 11, 12}
    assert shown[-1] == 12
