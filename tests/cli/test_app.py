import subprocess
import sys

from tests.cli.commands import refusal, torchghm
from typer.testing import CliRunner

from torchghm.cli.app import app


def test_help_names_every_command_and_is_quick_to_say_so():
    listed = torchghm("--help")
    assert listed.exit_code == 0
    for command in ("train", "eval", "predict", "compare", "report", "data"):
        assert f"  {command} " in listed.stdout
    heavy = {"torchvision", "lightning", "pydantic", "torchmetrics", "matplotlib"}
    check = "import sys, torchghm.cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert not heavy & set(loaded.split())


def test_it_runs_as_a_module():
    shown = subprocess.run([sys.executable, "-m", "torchghm", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == "torchghm 0.1.0\n"


def test_names_do_not_reach_the_terminal_raw(tmp_path):
    assert "\x1b" not in refusal("train", "--data", tmp_path / "\x1b[31mred")


def test_a_traceback_on_request(tmp_path):
    result = torchghm("--traceback", "data", "scenes", tmp_path, "--images", "-3")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_a_shell_completes_commands():
    # As the line in a shell's start-up file asks; --show-completion looks for the shell that it runs in.
    shown = CliRunner().invoke(app, [], prog_name="torchghm", env={"_TORCHGHM_COMPLETE": "source_bash"})
    assert shown.exit_code == 0, shown.output
    assert "_TORCHGHM_COMPLETE=complete_bash" in shown.stdout
