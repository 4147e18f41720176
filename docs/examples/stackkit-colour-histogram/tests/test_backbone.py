"""What stackkit relies on, checked before anybody else does."""

import numpy as np
import pytest
from stackkit.api import UsageError
from stackkit_colour_histogram import stackkit_backbones

IMAGES = np.random.default_rng(0).integers(0, 256, size=(5, 64, 64, 3), dtype=np.uint8)
(SPEC,) = stackkit_backbones()
make = SPEC.load()


def test_rows_are_shares_of_their_own_image_which_stays_untouched():
    backbone = make(**{option.name: option.default for option in SPEC.options})
    images = IMAGES.copy()
    features = backbone.extract(images)
    assert features.shape == (5, backbone.feature_dim)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(features[3:4], backbone.extract(IMAGES[3:4]))
    np.testing.assert_array_equal(images, IMAGES)


def test_a_plain_image_has_one_colour():
    red = np.full((1, 64, 64, 3), (255, 0, 0), dtype=np.uint8)
    assert np.flatnonzero(make(bins=2).extract(red)).tolist() == [4]


def test_other_bins_are_another_revision_and_impossible_ones_an_error():
    assert make(bins=4).revision != make(bins=5).revision
    with pytest.raises(UsageError, match="from 1 to 16"):
        make(bins=0)
