from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from tests.report.conftest import HOSTILE, HOSTILE_FILE
from tests.results.synthetic_folders import write_comparison, write_run

from torchghm.atomic_files import WriteError
from torchghm.report import plot_reweighted_classification, plot_reweighted_regression, write_report

SECTIONS = [
    "over-epochs",
    "samples",
    "per-class",
    "losses",
    "norm-cls",
    "reweighted-cls",
    "share",
    "beta",
    "norm-box",
    "reweighted-box",
    "curves",
]


def samples_second(sections: Iterable[str]) -> list[str]:
    """The sections of a page in its order, whichever is first."""
    names = list(sections)
    others = [name for name in names if name != "samples"]
    return [*others[:1], *(["samples"] if "samples" in names else []), *others[1:]]


class Page(HTMLParser):
    """Elements, section ids and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] != [("style", {})]:
            self.text += data

    def sections(self) -> list[str | None]:
        return [attrs["id"] for tag, attrs in self.elements if tag == "section" and attrs.get("class") == "figures"]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but not drawn, for tests of what is around them."""

    def savefig(self: Figure, file, **_: object) -> None:
        file.write(b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')

    monkeypatch.setattr(Figure, "savefig", savefig)


def test_a_run_shows_every_figure(run_page: Path):
    page = Page(run_page)
    assert run_page.name == "report.html"
    assert page.sections() == SECTIONS
    # AP and AP50; classes; 2 losses; 3 of classification; 2 weights; 3 of boxes; 2 images.
    assert sum(attrs.get("class") == "plot" for _, attrs in page.elements) == 2 + 1 + 2 + 3 + 2 + 3 + 2
    assert "AP50" in page.text
    assert "80.0" in page.text
    assert "# <b>a comment</b>" in page.text
    assert "2.11.0" in page.text


def test_a_comparison_shows_the_table_and_each_method(comparison_page: Path):
    page = Page(comparison_page)
    assert page.sections() == samples_second(["differences", *SECTIONS])
    assert page.count("table") == 1
    assert "49.0 ± 1.1" in page.text
    assert "−1.0 [−3.0, +1.0]" in page.text
    assert "for GHM-C + GHM-R no difference is shown" in page.text
    # differences; AP, AP50; classes; 2 x 2 losses; 3 x 2; 2 weights of one method; 2 x 2 and the curves; 2 images.
    assert sum(attrs.get("class") == "plot" for _, attrs in page.elements) == 1 + 2 + 1 + 4 + 6 + 2 + 5 + 2


@pytest.mark.parametrize("page_name", ["run_page", "comparison_page"])
def test_the_page_needs_nothing_but_itself(page_name: str, request: pytest.FixtureRequest):
    path = request.getfixturevalue(page_name)
    html = path.read_text(encoding="utf-8")
    page = Page(path)
    policy = next(attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in policy
    assert page.count("style") == 1
    assert page.count("script") == page.count("img") == page.count("iframe") == 0
    for _, attrs in page.elements:
        assert "style" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        for name in ("href", "src"):
            assert (attrs.get(name) or "#").startswith(("#", "data:"))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for tag, attrs in page.elements if tag == "a"} <= set(ids)


def test_names_from_the_data_are_escaped(comparison_page: Path):
    html = comparison_page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r"<script|<img|<svg onload", html)
    shown = Page(comparison_page).text
    for name in (HOSTILE[0], HOSTILE[2], HOSTILE[3], HOSTILE_FILE):
        assert name in shown
    assert "\u202e" not in html


@pytest.mark.parametrize(
    ("file", "hidden"),
    [
        ("metrics.csv", {"over-epochs", "losses"}),
        ("beta_history.csv", {"beta"}),
        ("gradient_norms.npz", {"norm-cls", "reweighted-cls", "share", "norm-box", "reweighted-box"}),
        ("samples.json", {"samples"}),
        ("recipe.yaml", set()),
        ("versions.json", set()),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_a_missing_file_hides_its_figures_only(run_folder: Path, file: str, hidden: set[str]):
    (run_folder / file).unlink()
    assert Page(write_report(run_folder)).sections() == samples_second(name for name in SECTIONS if name not in hidden)


def test_results_alone_make_a_page(tmp_path: Path):
    (tmp_path / "results.json").write_text('{"cls": "mine", "box": "smooth_l1"}')
    page = Page(write_report(tmp_path))
    assert page.sections() == ["curves"]
    assert "Recipe and versions" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_one_seed_gives_no_verdict(tmp_path: Path):
    page = Page(write_report(write_comparison(tmp_path / "c", seeds=(0,), epochs=1)))
    assert "one seed: no interval" in page.text
    assert "how much of a difference to CE + smooth L1 is chance" in page.text
    assert "--seeds 5" not in page.text  # a table that no command made


@pytest.mark.usefixtures("undrawn")
def test_one_seed_tells_the_command_for_more(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", seeds=(0,), epochs=1)
    table = json.loads((folder / "comparison.json").read_text())
    table["command"] = "torchghm compare --data 'my data' --seeds 1 --out c"
    (folder / "comparison.json").write_text(json.dumps(table))
    assert "torchghm compare --data 'my data' --out c --seeds 5" in Page(write_report(folder)).text


@pytest.mark.usefixtures("undrawn")
def test_gradients_are_folded_and_terms_explained(run_folder: Path):
    page = Page(write_report(run_folder))
    order = [
        (tag, attrs.get("id")) for tag, attrs in page.elements if tag in ("section", "details") and attrs.get("id")
    ]
    folded = order.index(("details", "gradients"))
    assert order.index(("section", "losses")) < folded < order.index(("section", "norm-cls"))
    assert order[-1] == ("section", "glossary")
    assert "harmonizing weight β" in page.text
    assert "±" not in page.text
    assert "better" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_the_lead_says_what_the_intervals_show(tmp_path: Path):
    methods = ("ce+smooth_l1", "focal+smooth_l1", "ghmc+smooth_l1", "ghmc+ghmr")
    page = Page(
        write_report(write_comparison(tmp_path / "c", methods=methods, gains=(0, 0.06, -0.05, -0.06), epochs=1))
    )
    assert (
        "Compared with CE + smooth L1 in AP over 2 seeds (95% intervals): focal + smooth L1 is better; "
        "GHM-C + smooth L1 and GHM-C + GHM-R are worse." in page.text
    )


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_comparison_says_so(comparison_folder: Path):
    path = comparison_folder / "comparison.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "runs_finished": 6, "runs_planned": 9}))
    assert "6 of 9 runs are finished so far. Compared with" in Page(write_report(comparison_folder)).text


@pytest.mark.usefixtures("undrawn")
def test_images_of_one_name_are_all_shown(run_folder: Path):
    path = run_folder / "samples.json"
    path.write_text(json.dumps([{**sample, "name": "same.jpg"} for sample in json.loads(path.read_text())]))
    html = write_report(run_folder).read_text(encoding="utf-8")
    assert html.count("<h3>same.jpg</h3>") == 2


@pytest.mark.usefixtures("undrawn")
def test_methods_that_lack_a_file_are_left_out_of_its_figure(comparison_folder: Path):
    (comparison_folder / "runs/focal+smooth_l1/seed-0/gradient_norms.npz").unlink()
    html = write_report(comparison_folder).read_text(encoding="utf-8")
    of_section = html[html.index('id="norm-cls"') : html.index('id="reweighted-cls"')]
    assert of_section.count('class="plot"') == 2
    assert "focal" not in of_section


@pytest.mark.usefixtures("undrawn")
def test_the_page_goes_where_it_is_told_and_replaces_an_old_one(run_folder: Path, tmp_path: Path):
    out = tmp_path / "elsewhere.html"
    out.write_text("old")
    assert write_report(str(run_folder), out) == out
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere.html", "run"]
    assert not (run_folder / "report.html").exists()


def test_a_failed_page_leaves_the_old_one(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    (run_folder / "report.html").write_text("old")
    (run_folder / "metrics.csv").write_text("nonsense")
    before = sorted(run_folder.iterdir())
    with pytest.raises(ValueError, match=r"metrics\.csv"):
        write_report(run_folder)
    assert (run_folder / "report.html").read_text() == "old"
    assert sorted(run_folder.iterdir()) == before


@pytest.mark.usefixtures("undrawn")
def test_a_page_that_cannot_be_put_in_place_leaves_nothing_behind(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(Path, "replace", refuse)
    before = sorted(run_folder.iterdir())
    with pytest.raises(WriteError, match="can't write '.*report.html'.*: no"):
        write_report(run_folder)
    assert sorted(run_folder.iterdir()) == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "samples/0.jpg").write_bytes(b"no image"), r"samples/0\.jpg to be a readable image"),
        (lambda folder: truncate(folder / "samples/0.jpg"), r"samples/0\.jpg to be a readable image"),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_a_broken_picture_is_named(run_folder: Path, spoil: Callable[[Path], object], message: str):
    spoil(run_folder)
    with pytest.raises(ValueError, match=message):
        write_report(run_folder)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:700])


def test_neither_run_nor_comparison(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"results\.json or a comparison folder .* but found neither"):
        write_report(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_report(tmp_path / "gone")


def test_out_must_be_a_file_in_an_existing_folder(tmp_path: Path):
    (tmp_path / "results.json").write_text('{"cls": "ce", "box": "smooth_l1"}')
    for out in (tmp_path, tmp_path / "gone/report.html"):
        with pytest.raises(FileNotFoundError, match="`out` to be a file in an existing folder"):
            write_report(tmp_path, out)


@pytest.mark.usefixtures("undrawn")
def test_a_run_without_any_positive_example_has_a_page(tmp_path: Path):
    folder = write_run(tmp_path / "run", images=0)
    with np.load(folder / "gradient_norms.npz") as stored:
        arrays = {**stored, "cls_positive": np.zeros(1000), "box_residual_counts": np.zeros(1000)}
    np.savez(folder / "gradient_norms.npz", **arrays)
    assert {"norm-box", "reweighted-box", "samples"}.isdisjoint(Page(write_report(folder)).sections())


def test_the_figures_are_of_the_run_s_own_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = write_run(tmp_path / "run", images=0)
    own = {"cls_max_weight": np.inf, "box_max_weight": 3.0, "cls_by_regions": 1.0, "box_exact": 1.0, "delta": 0.5}
    with np.load(folder / "gradient_norms.npz") as stored:
        arrays = {**stored, **own}
    np.savez(folder / "gradient_norms.npz", **arrays)
    drawn: list[dict[str, Line2D]] = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda self, *given, **more: (drawn.append(_lines(self)), savefig(self, *given, **more)),
    )
    write_report(folder)
    counts = arrays["cls_positive"], arrays["cls_negative"]
    residuals = arrays["box_residual_edges"], arrays["box_residual_counts"]
    expected = (
        ("GHM-C", plot_reweighted_classification(*counts, max_weight=None, normalize="regions")),
        ("GHM-R", plot_reweighted_regression(*residuals, max_weight=3.0, density="exact", delta=0.5)),
        ("smooth L1", plot_reweighted_regression(*residuals, max_weight=3.0, density="exact", delta=0.5)),
    )
    for label, (fig, _) in expected:
        on_page = next(lines[label] for lines in drawn if label in lines)
        np.testing.assert_array_equal(on_page.get_ydata(), _lines(fig)[label].get_ydata())


def _lines(fig: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in fig.axes[0].get_lines()}


@pytest.mark.usefixtures("undrawn")
def test_the_user_s_matplotlib_settings_do_not_reach_the_page(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    with rc_context({"text.usetex": True, "axes.facecolor": "red", "axes.labelcolor": "red"}):
        drawn: list[Figure] = []
        savefig = Figure.savefig
        monkeypatch.setattr(
            Figure, "savefig", lambda self, *given, **more: (drawn.append(self), savefig(self, *given, **more))
        )
        write_report(run_folder)
        assert rcParams["text.usetex"] is True
    assert not any(text.get_usetex() for fig in drawn for text in fig.findobj(Text))


def test_json_beside_the_contract_is_ignored(run_folder: Path):
    path = run_folder / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "more": {"a": [1]}}))
    (run_folder / "samples.json").unlink()
    (run_folder / "gradient_norms.npz").unlink()
    (run_folder / "metrics.csv").unlink()
    assert write_report(run_folder).is_file()
