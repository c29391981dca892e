from torchghm.cli.tables import print_metrics
from torchghm.results.average_precision import METRIC_LABELS


def test_what_was_not_measured_is_a_dash_and_names_are_shown_as_text(capsys):
    metrics = dict.fromkeys(METRIC_LABELS, 0.25) | {"ap_small": None}
    print_metrics({"metrics": metrics, "per_class": {"red[bold]\x1b[31m": 0.5, "unseen": None}}, "[i] 2 images")
    shown = capsys.readouterr().out
    assert "[i] 2 images" in shown
    assert "\x1b" not in shown
    rows = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in shown.splitlines() if "│" in line}
    assert rows["red[bold]\ufffd[31m"] == "50.0"
    assert rows["unseen"] == "-"
    overall = next(line for line in shown.splitlines() if " 25.0 " in line)
    assert overall.count(" 25.0 ") == len(METRIC_LABELS) - 1
    assert "│     - │" in overall
