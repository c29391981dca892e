"""A figure as SVG inside the page: themed by CSS variables, without the style attributes that its policy blocks."""

from __future__ import annotations

import base64
import io
import re
import warnings
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from torchghm.report.figures.palette import PALETTE
from torchghm.report.figures.samples import PHOTOGRAPH

_VARIABLES = {light: f"var(--{name.replace('_', '-')})" for name, (light, _) in PALETTE.items()}
_HREF = "{http://www.w3.org/1999/xlink}href"


def inline_svg(fig: Figure, label: str, prefix: str) -> Markup:
    """Draw a figure as an SVG element for an HTML page.

    Text stays text (escaped by the XML writer), in the page's font; palette colours become CSS variables, so that one
    drawing serves light and dark; style attributes become presentation attributes; ids get a prefix.

    Arguments:
        fig: the figure.
        label: what the picture is, for screen readers.
        prefix: unique on the page, letters, digits and dashes.

    Returns:
        The markup of the element.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings(), rc_context({"svg.fonttype": "none", "svg.hashsalt": "torchghm"}):
        # Only the layout uses matplotlib's font; the browser has others for the scripts that it lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        fig.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
        element.attrib = {name: value for name, value in _attributes(element, prefix).items() if value}
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label, "class": "plot"}
    # The writer escapes &, < and > in text and also quotes in attributes; names from the data are nowhere else.
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _attributes(element: ElementTree.Element, prefix: str) -> dict[str, str]:
    """Return the attributes of an element as the page needs them."""
    attributes = dict(element.attrib)
    for declaration in attributes.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # matplotlib before 3.10 writes the shorthand, which is no presentation attribute
            size = re.search(r"[\d.]+px", value)
            attributes["font-size"] = size.group() if size else ""
            attributes["font-weight"] = "bold" if "bold" in value or "700" in value else ""
        elif name and name != "font-family":  # the page's font
            attributes[name] = _VARIABLES.get(value, value)
    if "id" in attributes:
        attributes["id"] = f"{prefix}-{attributes['id']}"
    if _HREF in attributes:
        target = attributes.pop(_HREF)
        attributes["href"] = f"#{prefix}-{target[1:]}" if target.startswith("#") else target
        if PHOTOGRAPH in attributes.get("id", ""):
            attributes["href"] = _as_jpeg(target)
            del attributes["image-rendering"]  # the cells of a heat map stay sharp, photographs needn't
    for name in ("clip-path", "fill"):
        if attributes.get(name, "").startswith("url(#"):
            attributes[name] = attributes[name].replace("url(#", f"url(#{prefix}-")
    return attributes


def _as_jpeg(image: str) -> str:
    """Convert the data URI of a PNG, matplotlib's only format, to JPEG: a fifth of the size for a photograph."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2]))) as picture:
        picture.convert("RGB").save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
