"""mmdetection's own GHM-C and GHM-R, from the file in its wheel, without any of mmdetection's dependencies."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import types


def load_ghm_losses() -> types.ModuleType:
    """Return mmdet/models/losses/ghm_loss.py of the installed wheel, its registry's decorator replaced by nothing."""
    folder = importlib.metadata.distribution("mmdet").locate_file("mmdet/models/losses")
    registry = types.ModuleType("mmdet.registry")
    registry.MODELS = types.SimpleNamespace(register_module=lambda: lambda cls: cls)  # type: ignore[attr-defined]
    stand_ins = {name: types.ModuleType(name) for name in ("mmdet", "mmdet.models", "mmdet.models.losses")}
    sys.modules.update({**stand_ins, "mmdet.registry": registry})
    try:
        for stem in ("utils", "ghm_loss"):
            name = f"mmdet.models.losses.{stem}"
            spec = importlib.util.spec_from_file_location(name, f"{folder}/{stem}.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
        return module
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "mmdet"]:
            del sys.modules[name]
