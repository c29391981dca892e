"""Mistakes of users as one line and an exit code, without a traceback."""

from __future__ import annotations

import errno
import functools
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, ParamSpec, TypeVar, get_type_hints

from torchghm.atomic_files import WriteError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

FAILURE = 1
MISTAKE = 2
INTERRUPTED = 130
LOST = "the processes of this run have lost each other; if one of them stopped, its own message says why"
KILLED = "a process that loads images was ended from outside, perhaps for want of memory: lower data.workers, or resume"

_settings = {"traceback": False}


def show_tracebacks() -> None:
    """Show where errors come from, for whoever looks for a fault of the library."""
    _settings["traceback"] = True


def plain_errors(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a command print the errors that users can mend as one line, and exit."""

    @functools.wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            with warnings.catch_warnings():
                # Pillow warns of images that our own errors and reports name.
                warnings.filterwarnings("ignore", module="PIL")
                result = command(*args, **kwargs)
            _leave_processes()
            return result
        except KeyboardInterrupt as interrupt:
            _exit(str(interrupt) or "interrupted", INTERRUPTED)
        except ModuleNotFoundError as error:
            _exit(needs(error), MISTAKE)
        except (ValueError, TypeError, OSError, ArithmeticError) as error:
            _exit(as_typed(str(error), command), FAILURE if _is_of_the_disk(error) else MISTAKE)
        except RuntimeError as error:
            if _is_of_communication(error):
                _exit(f"{LOST} ({_first_line(error)})", MISTAKE)
            if str(error).startswith("DataLoader worker"):
                _exit(f"{KILLED} ({_first_line(error)})", FAILURE)
            # torch's of a GPU, without importing torch to say so, and of a CPU
            if type(error).__name__ != "OutOfMemoryError" and "can't allocate memory" not in str(error):
                raise
            _exit(
                f"{str(error).rstrip('. ')}. Lower data.batch_size or data.image_size, or raise trainer.accumulate",
                MISTAKE,
            )

    return run


def _leave_processes() -> None:
    """Part from the other processes of a run in order: threads that talk to them must not outlive the interpreter."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def only_errors(wanted: bool) -> Iterator[None]:
    """Leave out the warnings of the library within a `with` block, if that is wanted."""
    log = logging.getLogger("torchghm")
    level = log.level
    log.setLevel(logging.ERROR if wanted else level)
    try:
        yield
    finally:
        log.setLevel(level)


def needs(error: ModuleNotFoundError) -> str:
    """Return a message that names the extra to install."""
    if "pip install" in str(error):
        return str(error)
    return f"this command needs {error.name}, which is not installed: pip install 'torchghm[train]'"


def _is_of_the_disk(error: BaseException) -> bool:
    """Return whether a file could not be written: a full disk is nobody's mistake."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return isinstance(error, WriteError) or (isinstance(error, OSError) and error.errno in full)


def _is_of_communication(error: RuntimeError) -> bool:
    """Return whether a collective operation broke off: NCCL's errors have their own names, gloo's name the source."""
    return type(error).__name__ in ("DistBackendError", "DistNetworkError") or "gloo/transport" in _first_line(error)


def as_typed(message: str, command: Callable[..., Any]) -> str:
    """Return a message of the library with its arguments named as the command's options are typed.

    Arguments:
        message: that names arguments as "argument `label_noise`".
        command: a function that Typer reads, whose parameters are called as the library's.
    """
    from typer.models import ArgumentInfo, OptionInfo

    hints = get_type_hints(command, include_extras=True)

    def option(match: re.Match[str]) -> str:
        # A name that Python has itself bears an underscore here: `format_`.
        for about in getattr(hints.get(match[1], hints.get(f"{match[1]}_")), "__metadata__", ()):
            if isinstance(about, OptionInfo):
                # In an annotation, the first name stands where a default would.
                return str(about.default).partition("/")[0]
            if isinstance(about, ArgumentInfo):
                return about.metavar or match[1].upper()
        return match[0]

    return re.sub(r"argument `(\w+)`", option, message)


def _first_line(error: RuntimeError) -> str:
    return str(error).strip().split("\n")[0]


def _exit(message: str, code: int) -> NoReturn:
    import typer

    if _settings["traceback"]:
        traceback.print_exc()
    # Names in data are not to be trusted with the terminal.
    shown = "".join(character if character.isprintable() or character == "\n" else "?" for character in message)
    # In one piece, or the lines of several processes run into each other.
    sys.stderr.write(f"{shown}\n" if code == INTERRUPTED else f"error: {shown}\n")
    raise typer.Exit(code)
