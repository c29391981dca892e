"""Findings in the forms that FiftyOne, Label Studio and CVAT import."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torchghm.atomic_files import write_json, write_text
from torchghm.data.records import Records
from torchghm.review.findings import Box, Finding

CVAT_ATTRIBUTES = ("kind", "score", "finding", "suggested_class")
Export = Callable[[Path, Sequence[Finding], Records, Sequence[str]], None]


def write_fiftyone(path: Path, findings: Sequence[Finding], records: Records, classes: Sequence[str]) -> None:
    """Write the labels file of a `FiftyOneImageDetectionDataset`: a detection for each finding, by image.

    Images are named by their path in the data folder, without the suffix; boxes are in parts of the image's sides.
    Kind, suggested class and suggested box are attributes.

    Source: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html (FiftyOneImageDetectionDataset).
    """
    labels: dict[str, list[dict[str, Any]]] = {}
    for found in findings:
        width, height = float(records.widths[found.image]), float(records.heights[found.image])
        suggested = found.suggested_box
        labels.setdefault(records.name(found.image).rpartition(".")[0], []).append(
            {
                "label": classes[_shown_label(found)],
                "bounding_box": _fractions(_shown_box(found), width, height),
                "confidence": round(found.score, 4),
                "attributes": {
                    "finding": found.name,
                    "kind": found.kind,
                    "suggested_label": classes[found.suggested_label] if found.suggested_label >= 0 else None,
                    "suggested_box": None if suggested is None else _fractions(suggested, width, height),
                },
            }
        )
    write_json(path, {"classes": list(classes), "labels": labels})


def write_label_studio(path: Path, findings: Sequence[Finding], records: Records, classes: Sequence[str]) -> None:
    """Write Label Studio's tasks: an image each, with a prediction that has a rectangle for each finding.

    For a labelling interface with ``<Image name="image" value="$image"/>``, ``<RectangleLabels name="label"
    toName="image">`` and ``<Choices name="kind" toName="image" perRegion="true">``. Images are paths in the data
    folder, for a local storage whose root it is.

    Source: https://labelstud.io/guide/predictions (format of pre-annotations).
    """
    tasks: dict[int, list[dict[str, Any]]] = {}
    for found in findings:
        width, height = float(records.widths[found.image]), float(records.heights[found.image])
        box, labels = found.suggested_box or found.box, (found.suggested_label, found.label)
        assert box is not None
        x, y, w, h = (100 * side for side in _fractions(box, width, height))
        region = {
            "id": found.name,
            "to_name": "image",
            "original_width": int(width),
            "original_height": int(height),
            "image_rotation": 0,
        }
        place = {"x": x, "y": y, "width": w, "height": h, "rotation": 0}
        label = classes[labels[0] if labels[0] >= 0 else labels[1]]
        tasks.setdefault(found.image, []).extend(
            [
                {
                    **region,
                    "from_name": "label",
                    "type": "rectanglelabels",
                    "score": round(found.score, 4),
                    "value": {**place, "rectanglelabels": [label]},
                },
                {**region, "from_name": "kind", "type": "choices", "value": {**place, "choices": [found.kind]}},
            ]
        )
    write_json(
        path,
        [
            {
                "data": {"image": f"/data/local-files/?d={records.name(image)}"},
                "predictions": [
                    {
                        "model_version": "torchghm review",
                        "score": max(region.get("score", 0.0) for region in regions),
                        "result": regions,
                    }
                ],
            }
            for image, regions in tasks.items()
        ],
    )


def write_cvat(path: Path, findings: Sequence[Finding], records: Records, classes: Sequence[str]) -> None:
    """Write "CVAT for images 1.1": a box for each finding, its kind, score and suggested class as attributes.

    The task that imports it needs the labels that ``meta`` lists, each with these text attributes.

    Source: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat (CVAT for images).
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    _add_labels(root, classes)
    by_image: dict[int, list[Finding]] = {}
    for found in findings:
        by_image.setdefault(found.image, []).append(found)
    for number, (image, of_image) in enumerate(by_image.items()):
        width, height = str(int(records.widths[image])), str(int(records.heights[image]))
        about = {"id": str(number), "name": _xml_text(records.name(image)), "width": width, "height": height}
        place = ElementTree.SubElement(root, "image", about)
        for found in of_image:
            corners = zip(("xtl", "ytl", "xbr", "ybr"), _shown_box(found), strict=True)
            box = {"label": _xml_text(classes[_shown_label(found)]), "source": "auto", "occluded": "0", "z_order": "0"}
            drawn = ElementTree.SubElement(place, "box", box | {side: f"{value:.2f}" for side, value in corners})
            instead = classes[found.suggested_label] if found.suggested_label >= 0 else ""
            texts = (found.kind, f"{found.score:.4f}", found.name, instead)
            for name, text in zip(CVAT_ATTRIBUTES, texts, strict=True):
                ElementTree.SubElement(drawn, "attribute", {"name": name}).text = _xml_text(text)
    ElementTree.indent(root)
    write_text(path, ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n")


def _add_labels(root: ElementTree.Element, classes: Sequence[str]) -> None:
    """Add what CVAT says of a task: its labels, with the attributes that each has."""
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "mode").text = "annotation"
    labels = ElementTree.SubElement(task, "labels")
    for name in classes:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = _xml_text(name)
        attributes = ElementTree.SubElement(label, "attributes")
        for attribute in CVAT_ATTRIBUTES:
            about = ElementTree.SubElement(attributes, "attribute")
            values = {"name": attribute, "mutable": "False", "input_type": "text", "default_value": "", "values": ""}
            for key, value in values.items():
                ElementTree.SubElement(about, key).text = value


EXPORTS: Mapping[str, Export] = {
    "fiftyone.json": write_fiftyone,
    "label_studio.json": write_label_studio,
    "cvat.xml": write_cvat,
}
"""By the file that each writes."""


def _shown_box(found: Finding) -> Box:
    """Return the label's box, or that of a label that is missing."""
    box = found.box or found.suggested_box
    assert box is not None
    return box


def _shown_label(found: Finding) -> int:
    return found.label if found.label >= 0 else found.suggested_label


def _fractions(box: Box, width: float, height: float) -> list[float]:
    x1, y1, x2, y2 = box
    return [round(part, 6) for part in (x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height)]


def _xml_text(text: str) -> str:
    """Return text without what XML 1.0 can't hold."""
    return "".join(character if character.isprintable() else "?" for character in text)
