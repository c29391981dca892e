from __future__ import annotations

from torchghm.data import KINDS, Problem
from torchghm.data.problems import FileError, examples, refuse, reported


def test_a_problem_reads_as_one_line():
    problem = Problem("a.xml", "box-clipped", "1: object 3\n[5, 5, 9, 9]")
    assert str(problem) == "a.xml: box-clipped: 1: object 3 [5, 5, 9, 9]"
    assert not problem.fatal
    assert Problem("a.xml", "missing-image", "").fatal


def test_names_cannot_disturb_a_terminal():
    hostile = "\x1b[2Jclass\x07\u202e\ud800"
    assert str(Problem(hostile, "missing-image", hostile)) == (
        "\ufffd[2Jclass\ufffd\ufffd\ufffd: missing-image: \ufffd[2Jclass\ufffd\ufffd\ufffd"
    )
    error = refuse(hostile, [Problem("a", "missing-image", "b")])
    assert "\x1b" not in str(error)
    assert str(error).splitlines()[1] == "  a: missing-image: b"


def test_texts_are_cut_to_a_readable_length():
    assert examples(range(5)) == "0, 1, 2, ..."
    assert examples([1, 2]) == "1, 2"
    assert len(examples(["x" * 10**6] * 10**3)) < 400
    assert len(str(FileError("x" * 10**6))) < 500


def test_an_error_in_a_file_becomes_a_problem():
    problems: list[Problem] = []
    with reported(problems, "a.xml"):
        raise FileError("leads out", "path-outside")
    with reported(problems, "b.xml"):
        raise FileError("is not XML")
    with reported(problems, "c.xml"):
        pass
    assert problems == [
        Problem("a.xml", "path-outside", "leads out"),
        Problem("b.xml", "malformed-annotations", "is not XML"),
    ]
    assert all(problem.what in KINDS for problem in problems)
