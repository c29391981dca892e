"""For all tests: the gate draws the same examples every time, a developer draws new ones; Ctrl-C works everywhere."""

import os
import signal

from hypothesis import settings

settings.register_profile("gate", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("gate")

# A suite that was started in the background ignores Ctrl-C, and so would the programs that its tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
