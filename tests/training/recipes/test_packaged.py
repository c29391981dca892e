"""Recipes and presets that come with the library."""

from __future__ import annotations

import pytest

from torchghm.training.recipes.packaged import packaged_comments, packaged_names, packaged_text


@pytest.mark.parametrize("folder", [(), ("comparisons",)])
def test_every_file_has_a_text_and_the_comment_it_opens_with(folder):
    names, comments = packaged_names(*folder), packaged_comments(*folder)
    assert names == sorted(comments)
    for name in names:
        text = packaged_text(name, *folder)
        assert text.startswith("#") == bool(comments[name])
        assert text.splitlines()[0].removeprefix("#").strip() in comments[name] or not comments[name]
