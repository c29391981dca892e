"""Names from data sets, made safe to show."""

from __future__ import annotations

import pytest

from torchghm.printable import printable


@pytest.mark.parametrize("text", ["", "traffic light", "Straßenbahn", "自転車", "a_b-c.d/e"])
def test_names_stay_as_they_are(text):
    assert printable(text) == text


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\n", "\r", "\u202e", "\ud800", "\x7f", "\u2028"])
def test_what_changes_how_a_terminal_or_page_reads_is_replaced(character):
    shown = printable(f"a{character}b")
    assert shown == "a\ufffdb"
    shown.encode("utf-8")


def test_a_line_break_may_be_kept():
    assert printable("a\nb\x1b", keep="\n") == "a\nb\ufffd"
