"""Ultralytics asks the network and writes settings to the home folder when it is imported: neither in tests."""

import os
import tempfile

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="ultralytics-"))
