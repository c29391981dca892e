"""Ways to damage a file: its bytes, or what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from hypothesis import strategies as st

Damage = Callable[[bytes], bytes]

PIECES = [
    b"\0", b"\xff\xfe", b"NaN", b"-1", b"1e999", b"9" * 400, b"null", b"[]", b"{}", b"../", b"/", b"'", b'"', b"<",
    b"&x;", b"\n", b"", b"_",
]  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-3, 100), st.integers(), st.floats(), st.sampled_from([2**63, -(2**63), 10**400, 1e308, 0.0101, -0.0])
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", " ", "..", "../../secret.png", "/etc/hostname", "a\0b", "nan", "1_0", "\ud800", "x" * 5000]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=5,
)
PLACE = st.floats(0, 1, exclude_max=True)


@st.composite
def to_bytes(draw: st.DrawFn) -> Damage:
    """Places in a file, how much is cut out there, and what is put in instead."""
    piece = st.one_of(st.sampled_from(PIECES), st.binary(max_size=6))
    cuts = draw(st.lists(st.tuples(PLACE, st.floats(0, 0.1), piece), min_size=1, max_size=4))

    def damage(content: bytes) -> bytes:
        for place, cut, put in cuts:
            start = int(place * len(content))
            content = content[:start] + put + content[start + int(cut * len(content)) :]
        return content

    return damage


@st.composite
def to_json(draw: st.DrawFn, lines: bool = False) -> Damage:
    """Values of JSON, or of lines of it, replaced, removed or repeated."""
    changes = draw(st.lists(st.tuples(PLACE, PLACE, st.sampled_from(["set", "drop", "repeat"]), VALUES), min_size=1,
                            max_size=3))  # fmt: skip

    def damage(content: bytes) -> bytes:
        values = [json.loads(value) for value in (content.splitlines() if lines else [content])]
        for line, place, change, value in changes:
            holders = list(_places(values[int(line * len(values))]))
            if not holders:
                continue
            holder, key = holders[int(place * len(holders))]
            if change == "set":
                holder[key] = value
            elif change == "drop":
                del holder[key]
            elif isinstance(holder, list):
                holder.append(holder[key])
        return "".join(json.dumps(value) + "\n" for value in values).encode()

    return damage


def _places(value: Any) -> Any:
    """Yield each list or object in a JSON value with each of its keys."""
    keys = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@st.composite
def to_xml(draw: st.DrawFn) -> Damage:
    """Elements with other text or another name, removed, or repeated."""
    kinds = st.sampled_from(["text", "tag", "drop", "repeat"])
    text = st.one_of(TEXTS, NUMBERS.map(str)).map(_for_xml)
    changes = draw(st.lists(st.tuples(PLACE, kinds, text), min_size=1, max_size=3))

    def damage(content: bytes) -> bytes:
        root = ElementTree.fromstring(content)
        for place, change, value in changes:
            pairs = [(parent, child) for parent in root.iter() for child in parent]
            if not pairs:
                continue
            parent, child = pairs[int(place * len(pairs))]
            if change == "text":
                child.text = value
            elif change == "tag":
                child.tag = "".join(filter(str.isalpha, value)) or "x"
            elif change == "drop":
                parent.remove(child)
            else:
                parent.append(child)
        return ElementTree.tostring(root)

    return damage


def _for_xml(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


@st.composite
def to_words(draw: st.DrawFn) -> Damage:
    """Words of a text replaced, removed or repeated: numbers of a label file, keys and values of settings."""
    word = st.one_of(NUMBERS.map(str), TEXTS).map(lambda text: text.encode("utf-8", "surrogatepass"))
    changes = draw(st.lists(st.tuples(PLACE, st.one_of(st.just(b""), word, st.just(None))), min_size=1, max_size=3))

    def damage(content: bytes) -> bytes:
        words = content.split(b" ")
        for place, value in changes:
            index = int(place * len(words))
            words[index : index + 1] = [words[index]] * 2 if value is None else [value]
        return b" ".join(words)

    return damage
