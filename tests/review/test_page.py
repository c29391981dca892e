"""The page: names stay text, a browser filters, decides by keyboard and saves, and many findings stay small."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

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
DRIVER = """const saved = [];
URL.createObjectURL = (blob) => { saved.push(blob); return "#"; };
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
press("a");
byId("kind").value = "missing";
byId("kind").dispatchEvent(new Event("change"));
const cards = byId("gallery").children.length;
press("r");
byId("save").click();
saved[0].text().then((text) => tell({ cards, title: document.title, text }));"""
# Opens files of decisions one after the other; after each, what is decided and what the page says.
OPENER = """(async () => {
  const said = [];
  for (const text of %s) {
    await load({ target: { files: [new File([text], "old.json")] } });
    said.push([[...decisions], byId("state").textContent]);
  }
  await load({ target: { files: [] } });
  tell(said);
})();"""
# By how much the page and the first card are wider than the window and the card's frame.
SIZES = """addEventListener("load", () => {
  const beyond = (part) => part.scrollWidth - part.clientWidth;
  tell({ page: beyond(document.documentElement), card: beyond(document.querySelector(".card")) });
});"""


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


class Listener(SimpleHTTPRequestHandler):
    """Serve the page's folder, and put what a page posts into the server's queue."""

    def do_POST(self):
        self.server.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def told_by_a_browser(path, driver):
    """Return what a script in the page tells; a dump of the page would not wait for files that it reads."""
    tell = 'const tell = (value) => fetch("/", { method: "POST", body: JSON.stringify(value) });'
    path.write_text(path.read_text().replace("</html>", f"<script>\n{tell}\n{driver}\n</script></html>"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Listener, directory=path.parent))
    server.told = queue.Queue()
    Thread(target=server.serve_forever, daemon=True).start()
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.with_name('profile')}")
    command = [BROWSER, *options, f"http://127.0.0.1:{server.server_port}/{path.name}"]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return server.told.get(timeout=120)
    finally:
        browser.terminate()
        browser.wait()
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_a_browser_filters_decides_and_saves(tmp_path, records):
    path = tmp_path / "review.html"
    write_page(path, FINDINGS, records, CLASSES, title="set")
    said = told_by_a_browser(path, DRIVER)
    assert said["cards"] == 1
    assert said["title"] == "Label review"
    (tmp_path / "decisions.json").write_text(said["text"])
    first, second = read_decisions(tmp_path / "decisions.json")
    assert (first["finding"], first["decision"], first["class"]) == ("wrong-class-0", "accept", MARKUP)
    assert (first["image"], first["suggested_class"]) == (records.name(0), "cow")
    assert (second["kind"], second["decision"], second["box"]) == ("missing", "reject", None)
    assert second["suggested_box"] == [3.0, 4.0, 19.0, 14.0]


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_decisions_on_other_labels_are_not_taken_over(tmp_path, records):
    """Names count labels: after another training, or in other data, the same name is that of another label."""
    path = tmp_path / "review.html"
    write_page(path, FINDINGS, records, CLASSES, title="set")
    first = {
        "finding": "wrong-class-0", "decision": "accept", "kind": "wrong class", "image": records.name(0),
        "class": MARKUP, "box": [1.0, 2.0, 11.0, 12.0], "suggested_class": "cow",
        "suggested_box": [1.4, 2.0, 11.0, 12.0],
    }  # fmt: skip
    changes = ({"image": records.name(1)}, {"class": "ant"}, {"box": [9.0, 2.0, 11.0, 12.0]}, {"box": None},
               {"suggested_class": "ant"}, {"decision": "maybe"}, {"finding": "wrong-class-7"})  # fmt: skip
    others = [{**first, **change} for change in changes]
    files = [
        json.dumps({"torchghm_review": 1, "decisions": others}), "{", "[]",
        json.dumps({"torchghm_review": 1, "decisions": [first]}),
    ]  # fmt: skip
    said = told_by_a_browser(path, OPENER % json.dumps(files).replace("<", "\\u003c"))
    assert [decided for decided, _ in said] == [[], [], [], [["wrong-class-0", "accept"]]]
    assert "7 decisions in old.json are about other findings" in said[0][1]
    assert "old.json holds no decisions of this page" in said[1][1]
    assert said[3][1].endswith("skipped 0")


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_long_names_stay_in_their_place(tmp_path, records):
    path = tmp_path / "review.html"
    write_page(path, FINDINGS, records, ("ant", "b" * 300, "cow"), title="set")
    said = told_by_a_browser(path, SIZES)
    assert said == {"page": 0, "card": 0}
