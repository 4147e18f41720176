"""What more images would bring, on curves whose true continuation is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackkit.statistics.forecast import forecast

IMAGES = np.array([1, 2, 5, 10, 20, 40.0])


@pytest.mark.parametrize(("floor", "exponent"), [(0.0, 0.5), (0.05, 0.8), (0.1, 1.2), (0.02, 0.3)])
def test_a_power_law_is_continued(floor, exponent):
    def accuracy(images):
        return 1 - (floor + 0.5 * images**-exponent)

    found = forecast(IMAGES, accuracy(IMAGES), 5000)
    assert found.images_per_class == 80
    assert found.accuracy == pytest.approx(accuracy(80), abs=0.003)
    low, high = found.interval_95
    assert low < accuracy(80) < high
    assert high - low < 0.03


def test_fewer_test_images_make_the_interval_wider():
    accuracy = 1 - (0.05 + 0.5 * IMAGES**-0.8)
    widths = [np.diff(forecast(IMAGES, accuracy, n).interval_95)[0] for n in (5000, 1000, 300)]
    assert widths == sorted(widths)


@pytest.mark.parametrize(
    "accuracy",
    [
        [0.5, 0.7, 0.8],  # three points
        [0.5, 0.7, 0.9, 0.6, 0.5, 0.4],  # more images made it worse
        [0.5, 0.5, 0.5, 0.9, 0.9, 0.9],  # a step
    ],
)
def test_nothing_is_said_of_a_curve_that_is_no_power_law(accuracy):
    assert forecast(IMAGES[: len(accuracy)], np.array(accuracy), 1000) is None


def test_nothing_is_said_with_very_few_test_images():
    assert forecast(IMAGES, np.array([0.2, 0.3, 0.5, 0.6, 0.6, 0.7]), 20) is None


def test_the_first_images_need_not_follow_the_law():
    accuracy = 1 - (0.05 + 0.5 * IMAGES**-0.8)
    accuracy[0] = 0.05
    assert forecast(IMAGES, accuracy, 5000).accuracy == pytest.approx(0.935, abs=0.01)


def test_a_curve_that_is_flat_or_perfect_stays_so():
    for level in (0.8, 1.0):
        found = forecast(IMAGES, np.full(6, level), 1000)
        assert found.accuracy == pytest.approx(level, abs=0.005)
        assert found.interval_95[0] <= found.accuracy <= found.interval_95[1] <= 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=6), st.integers(30, 10_000))
def test_a_forecast_is_an_accuracy_in_its_interval(accuracy, n_test):
    found = forecast(IMAGES[: len(accuracy)], np.array(accuracy), n_test)
    if found:
        low, high = found.interval_95
        assert 0 <= low <= found.accuracy <= high <= 1
