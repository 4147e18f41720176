"""Backbones are refused if the features of an image depend on other images or on chance."""

import numpy as np
import pytest
from support.extracting import MeanColours, checked

from stackkit.api.errors import ExtractionError
from stackkit.extraction.row_independence import relative_differences, require_independent_rows


class Centred(MeanColours):
    """MeanColours minus the mean of the batch."""

    def extract(self, images):
        features = super().extract(images)
        return features - features.mean(axis=0)


class Noisy(MeanColours):
    """MeanColours with noise of 5 %."""

    def extract(self, images):
        features = super().extract(images)
        noise = np.random.default_rng(self.calls).normal(1, 0.05, features.shape)
        return (features * noise).astype(np.float32)


class HalfPrecision(MeanColours):
    """MeanColours with rounding that differs from call to call."""

    def extract(self, images):
        features = super().extract(images)
        return features * np.float32(1 + 1e-3 * (self.calls % 2))


class Undefined(MeanColours):
    """NaN for every image."""

    def extract(self, images):
        return super().extract(images) * np.float32(np.nan)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)


def check(backbone: MeanColours, images: np.ndarray) -> None:
    require_independent_rows(*checked(backbone), images)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("backbone", [MeanColours, HalfPrecision])
def test_independent_rows_pass_in_two_calls_of_few_images(images, count, backbone):
    made = backbone(16)
    check(made, images[:count])
    assert made.calls == 2


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize(
    ("backbone", "problem"),
    [
        (Centred, "in another batch: .* inference mode"),
        (Noisy, "when computed again: .* dropout"),
    ],
)
def test_dependent_rows_are_refused_with_the_likely_cause(images, count, backbone, problem):
    with pytest.raises(ExtractionError, match=rf"colours-0 \(from colours\) .* {problem}"):
        check(backbone(16), images[:count])


def test_nan_is_left_to_the_extraction_which_names_the_image(images):
    check(Undefined(16), images)


def test_images_are_read_only(images):
    class Scaling(MeanColours):
        def extract(self, images):
            images //= 2
            return super().extract(images)

    with pytest.raises(ExtractionError, match="read-only"):
        check(Scaling(16), images)


def test_differences_are_relative_to_each_row_unless_it_is_almost_zero():
    expected = np.array([[3.0, 4.0], [0.0, 100.0], [0.0, 0.0]])
    found = np.array([[3.0, 4.5], [0.0, 101.0], [0.0, 1e-9]])
    assert relative_differences(found, expected) == pytest.approx([0.1, 0.01, 1e-9 / 0.035])
    assert np.isnan(relative_differences(found * np.nan, expected)).all()
