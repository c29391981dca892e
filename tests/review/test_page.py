"""The page: names stay text, a browser filters, decides by keyboard and saves, and many findings stay small."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from tests.data.layouts import Sample, write_coco

from torchghm.data import load_data
from torchghm.review.correcting import read_decisions
from torchghm.review.findings import Finding
from torchghm.review.page import write_page

MARKUP = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>"
CLASSES = ("ant", MARKUP, "cow")
FINDINGS = [
    Finding("wrong class", 0.9, 0, 0, 1, (1.0, 2.0, 11.0, 12.0), 2, (1.0, 2.0, 11.0, 12.0), (0.9, float("nan"), 0.4)),
    Finding("spurious", 0.8, 0, 1, 2, (5.0, 5.0, 30.0, 25.0), -1, None),
    Finding("missing", 0.6, 1, -1, -1, None, 0, (3.0, 4.0, 19.0, 14.0)),
]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Filters, decides twice by keyboard, and saves; what was saved becomes the text of the page.
DRIVER = """<script>
const saved = [];
URL.createObjectURL = (blob) => { saved.push(blob); return "#"; };
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
press("a");
byId("kind").value = "missing";
byId("kind").dispatchEvent(new Event("change"));
const cards = byId("gallery").children.length;
press("r");
byId("save").click();
saved[0].text().then((text) => { document.body.textContent = JSON.stringify({ cards, title: document.title, text }); });
</script></html>"""


@pytest.fixture
def records(tmp_path):
    samples = (
        Sample("a.png", "train", ((1, 2, 11, 12), (5, 5, 30, 25)), (1, 2)), Sample("b.png", "train"),
        Sample("c.png", "val", ((3, 4, 9, 10),), (0,)),
    )  # fmt: skip
    return load_data(write_coco(tmp_path / "data", samples)).splits["train"]


def content(html):
    return json.loads(re.search(r'id="findings">(.*?)</script>', html, re.DOTALL)[1])


def test_markup_in_names_stays_text(tmp_path, records):
    write_page(tmp_path / "review.html", FINDINGS, records, CLASSES, title=MARKUP, note=MARKUP)
    html = (tmp_path / "review.html").read_text()
    assert "<img" not in html
    assert html.count("<script") == 2
    assert content(html)["classes"] == list(CLASSES)


def test_every_finding_has_its_crop(tmp_path, records):
    write_page(tmp_path / "review.html", FINDINGS, records, CLASSES, title="set")
    page = content((tmp_path / "review.html").read_text())
    for found, row in zip(FINDINGS, page["findings"], strict=True):
        x1, y1, x2, y2 = found.box or found.suggested_box
        left, top, right, bottom, jpeg = page["crops"][row[10]]
        assert left <= x1 < x2 <= right
        assert top <= y1 < y2 <= bottom
        assert jpeg
    assert (tmp_path / page["images"][0][3]).samefile(records[0].path)


def test_a_hundred_thousand_findings_stay_below_50_megabytes(tmp_path, monkeypatch, records):
    """Two thousand without crops, which are at most 20 MB together, take less than a fiftieth of the rest."""
    monkeypatch.setattr("torchghm.review.page.CROP_BYTES", 0)
    long = [found._replace(trajectory=(0.55,) * 8, box=(1001.25,) * 4, annotation=10**6) for found in FINDINGS[:2]]
    write_page(tmp_path / "review.html", long * 1000, records, CLASSES, title="set")
    html = (tmp_path / "review.html").read_text()
    assert not content(html)["crops"]
    assert len(html) < 30e6 / 50


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_a_browser_filters_decides_and_saves(tmp_path, records):
    path = tmp_path / "review.html"
    write_page(path, FINDINGS, records, CLASSES, title="set")
    path.write_text(path.read_text().replace("</html>", DRIVER))
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
    command = [BROWSER, *options, "--virtual-time-budget=5000", "--dump-dom", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    said = json.loads(re.search(r"<body>(\{.*\})</body>", dom, re.DOTALL)[1].replace("&lt;", "<").replace("&gt;", ">"))
    assert said["cards"] == 1
    assert said["title"] == "Label review"
    (tmp_path / "decisions.json").write_text(said["text"])
    first, second = read_decisions(tmp_path / "decisions.json")
    assert (first["finding"], first["decision"], first["class"]) == ("wrong-class-0", "accept", MARKUP)
    assert (first["image"], first["suggested_class"]) == (records.name(0), "cow")
    assert (second["kind"], second["decision"], second["box"]) == ("missing", "reject", None)
    assert second["suggested_box"] == [3.0, 4.0, 19.0, 14.0]
