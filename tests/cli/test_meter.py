"""The meter behind all progress: speed now, speed overall, time to go."""

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


def test_what_was_done_before_counts_as_done_but_not_as_speed(clock: Clock) -> None:
    meter = Meter(100, 40, clock)
    assert (meter.overall, meter.now, meter.seconds_left) == (0.0, 0.0, None)
    advance(meter, clock, 5, 20)
    assert (meter.done, meter.overall, meter.now, meter.seconds_left) == (60, 4.0, 4.0, 10.0)


def test_now_forgets_what_was_long_ago_and_overall_does_not(clock: Clock) -> None:
    meter = Meter(10_000, 0, clock)
    for _ in range(100):
        advance(meter, clock, 1, 1)
    for _ in range(100):
        advance(meter, clock, 1, 9)
    assert meter.overall == pytest.approx(5.0)
    assert meter.now == pytest.approx(9.0)


def test_steps_that_take_longer_than_now_still_have_a_speed(clock: Clock) -> None:
    meter = Meter(10_000, 0, clock)
    for _ in range(5):
        advance(meter, clock, 3 * NOW_S, 90)
    assert meter.now == meter.overall == pytest.approx(1.0)


def test_a_steady_pace_is_never_mistaken(clock: Clock) -> None:
    meter = Meter(10_000, 0, clock)
    for earlier, later in pairwise(range(0, 500, 7)):
        advance(meter, clock, later - earlier, 2 * (later - earlier))
        assert meter.now == meter.overall == pytest.approx(2.0)
        assert meter.seconds_left == pytest.approx((10_000 - 2 * later) / 2)


def test_it_keeps_only_what_now_needs(clock: Clock) -> None:
    meter = Meter(10**6, 0, clock)
    for _ in range(10_000):
        advance(meter, clock, 1, 1)
    assert len(meter._recent) < 40
