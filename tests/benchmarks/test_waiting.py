from benchmarks.speed.waiting import SETTINGS, result, start


def test_steps_are_counted_in_a_process_with_the_setting():
    assert all(result(start(environment, seconds=0.1)) > 0 for environment in SETTINGS.values())
