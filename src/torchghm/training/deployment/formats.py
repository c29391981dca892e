"""The formats of an exported detector: how each is written, and how it is called again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from torchghm.training.deployment.one_image import OUTPUTS, OneImageDetector, symbolic

FormatName = Literal["onnx", "torchscript", "torch.export"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)
SUFFIXES: dict[FormatName, str] = {"onnx": ".onnx", "torchscript": ".ts", "torch.export": ".pt2"}
PACKAGES: dict[FormatName, tuple[str, ...]] = {"onnx": ("onnx", "onnxruntime"), "torchscript": (), "torch.export": ()}
OPSET = 17
"""Newest version of ONNX's operators that torch's exporter by tracing knows well."""
CLASSES = "classes"
"""Under which the names of the classes, as JSON, lie in a file of every format."""


class ExportedDetector(NamedTuple):
    """A detector read from a file.

    Attributes:
        classes: names; a label is an index into them.
        detect: from an image [3, height, width] in [0, 1] to ``boxes``, ``scores`` and ``labels``, on the CPU.
    """

    classes: tuple[str, ...]
    detect: Callable[[Tensor], dict[str, Tensor]]


def check_installed(format_: FormatName) -> None:
    """Refuse a format whose packages are not there.

    Raises:
        ModuleNotFoundError: the extra to install is named.
    """
    for package in PACKAGES[format_]:
        if find_spec(package) is None:
            raise ModuleNotFoundError(
                f"the format {format_} needs {package}, which is not installed: pip install 'torchghm[export]'",
                name=package,
            )


def write(format_: FormatName, model: OneImageDetector, image: Tensor, classes: tuple[str, ...], file: Path) -> None:
    """Write a detector.

    Arguments:
        format_: one of `FORMATS`.
        model: on the CPU.
        image: [3, height, width], an example: the file takes images of all sizes.
        classes: names.
        file: to write.

    Raises:
        ValueError: torch can't export this detector in this format.
    """
    names = json.dumps(classes)
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing warns of every size that it takes for a constant; that it is none the check afterwards shows.
        warnings.simplefilter("ignore")
        if format_ == "onnx":
            _write_onnx(model, image, names, file)
        elif format_ == "torchscript":
            # Traced, not scripted: backbones of other packages need not be scriptable.
            traced = torch.jit.trace(model, (image,), check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, str(file), _extra_files={CLASSES: names})
        else:
            torch.export.save(_program(model, image), str(file), extra_files={CLASSES: names})


def read(format_: FormatName, file: Path) -> ExportedDetector:
    """Return the detector that a file holds.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: onnxruntime is not installed.
        ValueError: the file can't be read, or is none of `torchghm export`.
    """
    check_installed(format_)
    if not file.is_file():
        raise FileNotFoundError(f"there is no exported detector {str(file)!r}")
    if format_ == "onnx":
        return _read_onnx(file)
    extra: dict[str, Any] = {CLASSES: ""}
    if format_ == "torchscript":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # deprecated, which the texts say
            model: Any = torch.jit.load(str(file), map_location="cpu", _extra_files=extra)  # type: ignore[no-untyped-call]
    else:
        model = torch.export.load(str(file), extra_files=extra).module()

    @torch.no_grad()
    def detect(image: Tensor) -> dict[str, Tensor]:
        return _named(model(image))

    return ExportedDetector(tuple(json.loads(extra[CLASSES])), detect)


def _named(found: tuple[Tensor, ...]) -> dict[str, Tensor]:
    return dict(zip(OUTPUTS, found, strict=True))


def _write_onnx(model: OneImageDetector, image: Tensor, names: str, file: Path) -> None:
    import onnx

    # Its successor (dynamo=True) follows fewer detectors, and takes a minute where this takes seconds.
    torch.onnx.export(
        model,
        (image,),
        str(file),
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=[*OUTPUTS],
        dynamic_axes={"image": {1: "height", 2: "width"}, **{name: {0: "objects"} for name in OUTPUTS}},
    )
    graph = onnx.load(str(file))
    graph.metadata_props.add(key=CLASSES, value=names)
    onnx.save(graph, str(file))


def _read_onnx(file: Path) -> ExportedDetector:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes, one for each kind of damage
        raise ValueError(f"the ONNX file {str(file)!r} can't be read: {str(error).splitlines()[0]}") from error
    names = session.get_modelmeta().custom_metadata_map.get(CLASSES)
    if names is None:
        raise ValueError(f"Expected {str(file)!r} to be a file of `torchghm export`, but got one without classes")

    def detect(image: Tensor) -> dict[str, Tensor]:
        found = session.run(OUTPUTS, {"image": image.cpu().numpy()})
        return _named(tuple(torch.from_numpy(value) for value in found))

    return ExportedDetector(tuple(json.loads(names)), detect)


def _program(model: OneImageDetector, image: Tensor) -> torch.export.ExportedProgram:
    sides = {1: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO}
    try:
        with symbolic(model):
            return torch.export.export(model, (image,), dynamic_shapes={"image": sides})
    except Exception as error:  # every operation that it can't follow has a class of its own
        kind, reason = type(model.detector).__name__, str(error).strip().split("\n")[0]
        raise ValueError(f"torch.export can't follow a {kind} ({reason}): export it as onnx or torchscript") from error
