"""The meter measures speed now, speed overall and remaining time."""

from itertools import pairwise

import pytest

from stackkit.cli.meter import NOW_S, Meter


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def advance(meter: Meter, clock: Clock, seconds: float, count: int) -> None:
    clock.time += seconds
    meter.advance(count)


def test_earlier_items_count_as_progress_but_not_as_speed(clock: Clock) -> None:
    meter = Meter(100, 40, clock)
    assert (meter.overall, meter.now, meter.seconds_left) == (0.0, 0.0, None)
    advance(meter, clock, 5, 20)
    assert (meter.done, meter.overall, meter.now, meter.seconds_left) == (60, 4.0, 4.0, 10.0)


def test_now_forgets_old_steps_and_overall_does_not(clock: Clock) -> None:
    meter = Meter(10_000, 0, clock)
    for _ in range(100):
        advance(meter, clock, 1, 1)
    for _ in range(100):
        advance(meter, clock, 1, 9)
    assert meter.overall == pytest.approx(5.0)
    assert meter.now == pytest.approx(9.0)


def test_steps_longer_than_the_window_still_have_a_speed(clock: Clock) -> None:
    meter = Meter(10_000, 0, clock)
    for _ in range(5):
        advance(meter, clock, 3 * NOW_S, 90)
    assert meter.now == meter.overall == pytest.approx(1.0)


def test_a_constant_speed_is_measured_exactly(clock: Clock) -> None:
    meter = Meter(10_000, 0, clock)
    for earlier, later in pairwise(range(0, 500, 7)):
        advance(meter, clock, later - earlier, 2 * (later - earlier))
        assert meter.now == meter.overall == pytest.approx(2.0)
        assert meter.seconds_left == pytest.approx((10_000 - 2 * later) / 2)


def test_it_keeps_only_the_steps_of_the_window(clock: Clock) -> None:
    meter = Meter(10**6, 0, clock)
    for _ in range(10_000):
        advance(meter, clock, 1, 1)
    assert len(meter._recent) < 40
