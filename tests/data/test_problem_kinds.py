from __future__ import annotations

import re
from pathlib import Path

from torchghm.data import KINDS

ROOT = Path(__file__).parent.parent.parent


def test_the_documents_table_is_the_one_of_the_code():
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| (error|warning|note) \| (.+) \| (.+) \|$", (ROOT / "docs/data.md").read_text(), re.M
    )
    assert sorted(rows) == sorted((name, kind.severity, kind.meaning, kind.remedy) for name, kind in KINDS.items())


def test_every_kind_is_reported_somewhere_and_no_other():
    """A kind that no code names is dead; a name that the table lacks would end in a KeyError."""
    code = [path.read_text() for path in (ROOT / "src/torchghm/data").rglob("*.py") if path.stem != "problem_kinds"]
    named = set(re.findall(r"\"([a-z]+(?:-[a-z0-9]+)+)\"", "\n".join(code)))
    assert set(KINDS) <= named
    looks_like = {
        name
        for name in named
        if name.split("-")[0] in ("box", "boxes", "line", "missing", "duplicate", "repeated", "image")
    }
    assert looks_like <= set(KINDS)


def test_only_what_has_been_dealt_with_drops_objects_or_is_a_note():
    for name, kind in KINDS.items():
        assert not (kind.fatal and (kind.note or kind.drops)), name
        assert kind.meaning[0].islower()
        assert kind.remedy[0].islower() or kind.remedy[0] == "-"
