"""Text from data, made safe to show: names in a data set are somebody else's."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    """Replace the characters that change how a terminal or a page reads: controls, surrogates, text direction.

    Arguments:
        text: any text.
        keep: characters that stay, for example a line break.

    Returns:
        The text with U+FFFD in place of each of them.

    Examples:
        >>> printable("class\\x1b[31m one") == "class\\ufffd[31m one"
        True
    """
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text)
