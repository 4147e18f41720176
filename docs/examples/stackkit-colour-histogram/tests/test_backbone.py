"""Test what this backbone does beyond stackkit's requirements."""

import numpy as np
import pytest
from stackkit.api import UsageError

from stackkit_colour_histogram import stackkit_backbones

IMAGES = np.random.default_rng(0).integers(0, 256, size=(5, 64, 64, 3), dtype=np.uint8)
(SPEC,) = stackkit_backbones()
make = SPEC.load()


def test_each_row_sums_to_1():
    np.testing.assert_allclose(make(bins=3).extract(IMAGES).sum(axis=1), 1, rtol=1e-6)


def test_a_plain_image_fills_one_bin():
    red = np.full((1, 64, 64, 3), (255, 0, 0), dtype=np.uint8)
    assert np.flatnonzero(make(bins=2).extract(red)).tolist() == [4]


def test_bins_changes_the_revision_and_is_validated():
    assert make(bins=4).revision != make(bins=5).revision
    with pytest.raises(UsageError, match="from 1 to 16"):
        make(bins=0)
