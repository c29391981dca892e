from __future__ import annotations

from tests.data.layouts import (
    Sample,
    write_coco,
    write_voc,
)
from tests.data.reporting.printed import printed

from torchghm.data import check_data


def test_names_from_the_data_are_printed_as_text(tmp_path):
    hostile = ["[bold red]ant[/]", "\x1b[31mbee", "\ud800cow"]
    categories = [{"id": number, "name": name} for number, name in enumerate(hostile, start=1)]
    root = write_coco(tmp_path / "data", categories=categories)
    text = printed(check_data(root))
    assert "[bold red]ant[/]" in text
    assert "\x1b" not in text
    text.encode("utf-8")


def test_long_lists_of_problems_are_cut(tmp_path):
    root = write_voc(tmp_path / "data", tuple(Sample(f"{n}.png", "train", ((0, 0, 50, 9),), (0,)) for n in range(30)))
    check = check_data(root, val_fraction=0, test_fraction=0, open_images=False)
    (problem,) = (problem for problem in check.problems if problem.what == "box-clipped")
    assert problem.count == 30
    assert "30 in 30 files: Annotations/0.xml object 1 [0, 0, 50, 9], Annotations/1.xml" in problem.detail
    for file in (root / "Annotations").iterdir():
        file.write_text("<annotation>")
    assert "... and in 10 more files" in printed(check_data(root, open_images=False))
