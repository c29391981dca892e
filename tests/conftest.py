"""The gate draws the same examples every time; a developer's run draws new ones."""

import os

from hypothesis import settings

settings.register_profile("gate", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("gate")
