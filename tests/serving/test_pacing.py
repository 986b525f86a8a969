"""Batches of connectors wait for the one before, where that is asked for."""

from intuition_core.serving.pacing import Pace


def test_a_batch_waits_until_the_time_after_the_one_before() -> None:
    now = 100.0
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        waited.append(seconds)
        now += seconds

    pace = Pace(0.5, clock=lambda: now, sleep=sleep)
    pace.wait()
    pace.wait()
    now += 0.375
    pace.wait()
    now += 7
    pace.wait()
    assert waited == [0.5, 0.125]


def test_without_a_delay_nothing_waits() -> None:
    pace = Pace(0, sleep=lambda seconds: (_ for _ in ()).throw(AssertionError(seconds)))
    pace.wait()
    pace.wait()
