from tests.cli.commands import refusal, torchghm


def test_advice_on_data_and_on_a_run(place):
    quick = ("--data", place / "data", "--batches", "2", "--device", "cpu")
    dry = torchghm("advise", "--recipe", place / "tiny.yaml", "--steps", "1", *quick)
    assert dry.exit_code == 0, dry.output
    assert "2 training batches of 2 images, after 1 step of focal + smooth L1" in dry.output
    assert "positives' part of the gradient   CE" in dry.output
    of_run = torchghm("advise", place / "run", *quick)
    assert of_run.exit_code == 0, of_run.output
    assert f"as {place / 'run'} sees them" in of_run.output
    assert "\n- " in of_run.output


def test_what_is_refused(place, tmp_path):
    data = ("--data", place / "data")
    assert "none" in refusal("advise", tmp_path / "none", *data)
    assert "at most the 5 training images, but got 99" in refusal("advise", *data, "--set", "data.batch_size=99")
    for option in (("--recipe", "demo"), ("--steps", "5")):
        assert "Expected a run, or --recipe, --set and --steps" in refusal("advise", tmp_path, *data, *option)
