"""``python -m benchmarks.gpu``: everything that needs an NVIDIA card, in at most eight minutes, a line a part.

What passed is kept in a file of the day: the same command goes on where it was stopped. With ``--dry`` the same script
runs on a CPU at small sizes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.gpu_parts import Size, parts

MINUTES = 8
RESULTS = Path(__file__).parent / "results"
WORDS = {True: "passed", False: "failed"}


def main() -> None:
    """Run the parts that have not passed yet; exit with 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="on a CPU, at small sizes")
    parser.add_argument("--again", action="store_true", help="forget what has passed today")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    size = Size("cpu", 2e-5, 0.02, 2) if arguments.dry else Size("cuda", 1.0, 25.0, 60)
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / f"{datetime.date.today().isoformat()}-gpu{'-dry' if size.dry else ''}.json"
    done: dict[str, str] = json.loads(file.read_text()) if file.is_file() and not arguments.again else {}
    passed, about = _apart(_settings, size, 60)
    if not passed:
        sys.exit(f"error: {about}")
    print(about, flush=True)
    end, failed, lines = time.monotonic() + 60 * MINUTES, 0, [f"# What needs a GPU\n\n{about}\n"]
    for name, part in parts(size):
        if name in done:
            passed, said = True, done[name]
        else:
            passed, said = _apart(part, size, end - time.monotonic())
        failed += not passed
        lines.append(f"- {name}: {WORDS[passed]}: {said}")
        print(lines[-1][2:], flush=True)
        if passed:
            done[name] = said
            file.write_text(json.dumps(done, indent=2) + "\n")
    file.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print(f"written: {file.with_suffix('.md')}")
    sys.exit(1 if failed else 0)


def _settings(size: Size) -> str:
    """Return what the figures depend on."""
    import torch

    from benchmarks.speed.measure import settings

    if not size.dry and not torch.cuda.is_available():
        raise RuntimeError("this machine has no CUDA device; --dry runs the script on a CPU")
    return ", ".join(f"{name} {value}" for name, value in settings(size.device).items())


def _apart(part: Callable[[Size], str], size: Size, seconds: float) -> tuple[bool, str]:
    """Run a part in a process of its own, which a broken context of the GPU ends with; return how it went."""
    if seconds <= 0:
        return False, "no time was left: the same command goes on here"
    context = multiprocessing.get_context("fork")  # the parent has not touched the GPU
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(part, size, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            return False, f"stopped after {seconds:.0f} s"
        passed, said = receiver.recv()
    except EOFError:
        process.join()
        return False, f"the process ended with {process.exitcode}"
    finally:
        if process.is_alive() and not receiver.closed:
            process.join(2)
            process.kill()
    return passed, said


def _send(part: Callable[[Size], str], size: Size, sender: multiprocessing.connection.Connection) -> None:
    try:
        sender.send((True, part(size)))
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        sender.send((False, f"{type(error).__name__}: {first}"))


if __name__ == "__main__":
    main()
