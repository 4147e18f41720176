"""Views: several feature rows per image, for training, for prediction, or averaged."""

import numpy as np
import pytest

from stackkit.evaluation.features import Features


@pytest.fixture
def features() -> Features:
    """Three views of 700 images of which 600 are used, 4 features each."""
    random = np.random.default_rng(0)
    matrices = tuple(random.normal(size=(700, 4)).astype(np.float32) for _ in range(3))
    return Features(label="", trained=True, matrices=matrices, used_rows=np.arange(50, 650))


def test_features_are_taken_view_by_view_or_averaged_in_fortran_order(features):
    rows = np.random.default_rng(1).permutation(600)[:530]
    views = [matrix[50 + rows] for matrix in features.matrices]
    whole, last, all_views, average = (
        features.take(rows),
        features.take(rows, view=2),
        features.take_all_views(rows),
        features.take_average(rows),
    )
    assert np.array_equal(whole, views[0])
    assert np.array_equal(last, views[2])
    assert np.array_equal(all_views, np.concatenate(views))
    assert np.array_equal(average, np.mean(views, axis=0))
    assert all(taken.flags.f_contiguous for taken in (whole, last, all_views, average))


def test_every_view_is_part_of_the_digest_and_is_checked(features):
    whole = Features.from_matrix("", features.matrices[0])
    digests = {whole.digest}
    for views in ([0, 1], [1, 0], [0, 1, 2]):
        digests.add(Features.from_matrices("", [features.matrices[view] for view in views]).digest)
    assert len(digests) == 4
    features.matrices[1][52, 3] = np.nan
    assert features.first_nonfinite() == (1, 2)
