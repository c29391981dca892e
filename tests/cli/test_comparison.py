import pytest
from tests.cli.commands import refusal, torchghm


def test_report(place, tmp_path):
    result = torchghm("report", place / "run", "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "<html" in (tmp_path / "page.html").read_text()
    assert "comparison" in refusal("report", tmp_path)


def test_compare(place):
    compare = (
        "compare", "--data", place / "data", "--recipe", place / "tiny.yaml", "--set", "trainer.max_steps=1",
        "--pairs", "focal+smooth_l1,ghmc+ghmr", "--seeds", "1", "--eval", "test", "--out", place / "comparison",
    )  # fmt: skip
    result = torchghm(*compare)
    assert result.exit_code == 0, result.output
    assert "ghmc" in result.stdout
    for name in ("comparison.json", "comparison.csv", "comparison.md", "report.html", "plan.json"):
        assert (place / "comparison" / name).is_file()
    again = torchghm(*compare)
    assert again.exit_code == 0
    assert "epoch" not in again.stderr  # nothing is trained twice


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--cls", "fokal"],
            "Expected --cls (in --pairs: its part) to be one of ce, ohem, focal, ghmc, ghmc_published, asymmetric, ",
        ),
        (
            ["--box", "giou"],
            "Expected --box (in --pairs: its part) to be one of smooth_l1, l1, asl1, ghmr, ghmr_published, own, but "
            "got 'giou'",
        ),
        (["--pairs", "ghmc"], "Expected --pairs to be CLS+BOX, for example ghmc+ghmr, but got 'ghmc'"),
        (["--pairs", "ghmc+ghmr", "--cls", "ce"], "Expected --pairs, or --cls and --box, but got both"),
        (["--set", "seed=4"], "Expected --seeds N, which trains with the seeds 0 to N - 1, but got --set seed=4"),
        (["--cls", ","], "Expected names joined by commas, but got ','"),
    ],
)
def test_compare_says_what_is_wrong(place, options, says):
    assert says in refusal("compare", "--data", place / "data", *options)


@pytest.mark.parametrize(("option", "says"), [([], ""), (["--overwrite"], " without --overwrite")])
def test_an_interrupted_comparison_says_how_to_go_on(place, tmp_path, monkeypatch, option, says):
    """With --overwrite the same command would remove what was done."""

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("torchghm.training.comparison.run.compare", interrupted)
    options = ("--recipe", place / "tiny.yaml", "--out", tmp_path / "out", *option)
    result = torchghm("compare", "--data", place / "data", *options)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == f"interrupted; the same command{says} goes on from here"
