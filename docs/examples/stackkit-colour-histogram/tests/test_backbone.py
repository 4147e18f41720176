"""What this backbone promises beside what stackkit relies on."""

import numpy as np
import pytest
from stackkit.api import UsageError

from stackkit_colour_histogram import stackkit_backbones

IMAGES = np.random.default_rng(0).integers(0, 256, size=(5, 64, 64, 3), dtype=np.uint8)
(SPEC,) = stackkit_backbones()
make = SPEC.load()


def test_rows_are_shares():
    np.testing.assert_allclose(make(bins=3).extract(IMAGES).sum(axis=1), 1, rtol=1e-6)


def test_a_plain_image_has_one_colour():
    red = np.full((1, 64, 64, 3), (255, 0, 0), dtype=np.uint8)
    assert np.flatnonzero(make(bins=2).extract(red)).tolist() == [4]


def test_other_bins_are_another_revision_and_impossible_ones_an_error():
    assert make(bins=4).revision != make(bins=5).revision
    with pytest.raises(UsageError, match="from 1 to 16"):
        make(bins=0)
