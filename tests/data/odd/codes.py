"""Classes that annotations call by numbers or codes, and lists of their names beside them."""

from __future__ import annotations

import json

from tests.data.odd.names import then
from tests.data.odd.sets import CLASSES, TRUTH, Make, Odd, Reads, reads, write, write_voc, xml, xml_object
from tests.data.odd.tables import HEADER, OPEN_IMAGES, keras, one, open_images, tables, tensorflow

BESIDE, UNCLEAR = "class-names-beside", "class-names-unclear"
CODES = {"hen": "/m/03fj2", "owl": "/m/09d5_"}


def counted(form: object, first: int = 0, digits: str = "{}") -> object:
    """Lines with numbers for classes."""
    return lambda name, label, box: form(name, digits.format(CLASSES.index(label) + first), box)  # type: ignore[operator]


def beside(file: str, text: str, first: int = 0, digits: str = "{}") -> Make:
    table = one(HEADER, form=counted(tensorflow, first, digits))
    return then(table, lambda root: write(root / file, text))


def counted_change(text: str) -> str:
    return text.replace("hen,12", "0.0,12").replace("hen", "0").replace("owl", "1")


def coded(name: str, label: str, box: tuple[float, ...]) -> str:
    return open_images(name, label, box).replace(label, CODES[label])


def label_map(key: str) -> str:
    return "".join(f'item {{\n  id: {number}\n  {key}: "{name}"\n}}\n' for number, name in enumerate(CLASSES, 1))


NAMED = reads(BESIDE, whole=True)
GROUP = Reads((BESIDE,), {"p": TRUTH["p"][:1]}, crowds=1)
CSV: list[Odd] = [
    ("classes.csv, names first", beside("classes.csv", "hen,0\nowl,1\n"), NAMED),
    ("classes.csv, numbers first, below a header", beside("classes.csv", "id,name\n0,hen\n1,owl\n"), NAMED),
    ("classes.txt from 0", beside("classes.txt", "hen\nowl\n"), NAMED),
    ("classes.txt from 1", beside("classes.txt", "hen\nowl\n", first=1), NAMED),
    ("classes.txt with numbers", beside("classes.txt", "1 hen\n2 owl\n3 tern\n", first=1), NAMED),
    ("classes as 1.0", beside("classes.txt", "hen\nowl\n", digits="{}.0"), NAMED),
    (
        "classes as 0 and as 0.0",
        then(
            one(HEADER, counted_change),
            lambda root: write(root / "classes.txt", "hen\nowl\n"),
        ),
        NAMED,
    ),
    ("a label map", beside("annotations/label_map.pbtxt", label_map("name"), first=1), NAMED),
    ("a label map with further names", beside("map.pbtxt", label_map("display_name"), first=1), NAMED),
    ("a label map in JSON", beside("label_map.json", json.dumps({"hen": 0, "owl": 1})), NAMED),
    (
        "Keras's classes.csv",
        then(one("", form=counted(keras)), lambda root: write(root / "classes.csv", "owl,1\nhen,0\n")),
        NAMED,
    ),
    (
        "codes of Open Images",
        then(
            tables("{}-annotations-bbox.csv", "{split}/{}.jpg", OPEN_IMAGES, form=coded, name="{}"),
            lambda root: write(
                root / "metadata/class-descriptions.csv",
                "LabelName,DisplayName\n" + "".join(f"{code},{name}\n" for name, code in CODES.items()),
            ),
        ),
        GROUP,
    ),
]
VOC: list[Odd] = [
    (
        "numbers in XML",
        then(
            lambda root: write_voc(
                root, lambda s: xml(s, "".join(xml_object(str(CLASSES.index(n)), b) for n, b in TRUTH[s]))
            ),
            lambda root: write(root / "classes.txt", "hen\nowl\n"),
        ),
        reads(BESIDE),
    ),
]
SETS = {"csv": CSV, "voc": VOC}
