"""Compare folds and check that they divide all rows."""

import numpy as np

from stackkit.evaluation.folds import Fold


def seen_as_lists(folds: list[Fold]) -> list[tuple[list[int], list[int]]]:
    return [(fold.train.tolist(), fold.test.tolist()) for fold in folds]


def assert_every_row_is_tested_once(folds: list[Fold], rows: int) -> None:
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(rows))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(rows))
        assert np.all(np.diff(fold.train) > 0)
        assert np.all(np.diff(fold.test) > 0)
