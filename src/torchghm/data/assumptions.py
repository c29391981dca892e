"""Assumptions that a user states about data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BOX_FORMS = ("xyxy", "xywh", "cxcywh")
"""Two corners; the upper left corner and the sides; the centre and the sides."""
BOXES = tuple(f"{form}{unit}" for form in BOX_FORMS for unit in ("", "-pixels", "-fractions"))


@dataclass(frozen=True)
class Assumptions:
    """The assumptions under which data are read.

    Attributes:
        boxes: what four numbers are, one of `BOXES`; a form alone leaves the unit to the layout. With it nothing is
            asked of how the boxes look.
        crowds: "objects" takes crowds for objects, which some tools mark every mask as.
        unlabelled: "background" takes images without a label file for images with nothing to see.
    """

    boxes: str | None = None
    crowds: Literal["objects"] | None = None
    unlabelled: Literal["background"] | None = None

    def __post_init__(self) -> None:
        known = {"boxes": BOXES, "crowds": ("objects",), "unlabelled": ("background",)}
        for name, choices in known.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise ValueError(f"Expected argument `{name}` to be one of {', '.join(choices)}, but got {value!r}")

    def form(self, usual: str, unit: str) -> tuple[str, str]:
        """Return the form and the unit of boxes, for a layout with these."""
        if self.boxes is None:
            return usual, unit
        form, _, said = self.boxes.partition("-")
        return form, said or unit
