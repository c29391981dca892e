"""Threads of a training that share a processor with other programs.

torch's threads meet several thousand times in a step. A thread that waits keeps its core busy for a while before it
sleeps, in the hope that the others arrive soon. Where another program has a core, the others keep theirs for nothing,
and the training takes many times as long. With a shorter wait it takes what its share of the processor allows, and on
an idle machine as long as before. GNU's OpenMP reads the environment variable GOMP_SPINCOUNT once, when torch is
imported.
"""

from __future__ import annotations

import os

VARIABLE = "GOMP_SPINCOUNT"
VALUE = "10000"
"""Turns of the waiting loop; GNU's OpenMP takes 300,000 where nothing is said."""


def wait_briefly() -> None:
    """Let waiting threads sleep soon, unless the environment says how they wait already.

    Has an effect on this process if torch has not been imported yet, and on those that it starts. The command line does
    so. ``python -m benchmarks.speed.waiting`` measures it.

    Source: GNU libgomp's manual, section "GOMP_SPINCOUNT - Set the busy-wait spin count".

    Examples:
        >>> wait_briefly()
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(VARIABLE, VALUE)
