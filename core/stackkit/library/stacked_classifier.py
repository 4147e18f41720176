"""`stackkit.StackedClassifier`: stackkit's stack as a classifier of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from stackkit.api.errors import UsageError
from stackkit.evaluation.classifiers import CheckedClassifiers, checked
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.groups import Groups, numbered
from stackkit.host.registry import with_seed
from stackkit.library.components import installed
from stackkit.library.stacking import fit_stack


class StackedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base learners on several blocks of features, and an aggregator above them.

    It fits and predicts what `stackkit run` does with the same learner, aggregator and features, and
    works in `Pipeline`, `cross_val_score` and `GridSearchCV`.

    Parameters
    ----------
    learner : str or sequence of str, default "logistic"
        Name and options of the base learner, such as "logistic:C=10"; all of several are stacked.
    aggregator : str, default "average-svm"
        Name and options of the aggregator.
    blocks : sequence of int or None
        Number of features of each block, in the order of the columns of X: the widths of the networks
        whose features are side by side. None: all columns are one block.
    cv : int, default 3
        Folds inside the training data that give out-of-fold probabilities, as `--inner-cv`.
    refit : bool, default True
        For aggregators that learn out-of-fold: predict with learners that are fitted on all training
        data; False: with the mean over those of the folds.
    seed : int, default 0
        Seed of the folds, and of components that have an option `seed`.
    n_jobs : int, optional
        Number of fits at the same time, without influence on results; None: one, -1: as many as cores.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all text.
    stack_ : Stack
        The fitted stack.

    See Also
    --------
    FeatureExtractor : from images to the features of a block.

    """

    def __init__(
        self,
        learner: str | Sequence[str] = "logistic",
        aggregator: str = "average-svm",
        *,
        blocks: Sequence[int] | None = None,
        cv: int = 3,
        refit: bool = True,
        seed: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.learner = learner
        self.aggregator = aggregator
        self.blocks = blocks
        self.cv = cv
        self.refit = refit
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit base learners and aggregator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; used as float32, as the store keeps them.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), optional
            Rows with the same value stay together in the inner folds.

        Raises
        ------
        ValueError
            If X or y cannot be used.
        UsageError
            If the name of a component or one of its options is invalid.

        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least 2 classes, got {len(self.classes_)} class")
        plan = FitPlan(
            classifiers=self._classifiers(),
            features=self._features(X),
            labels=labels.astype(np.int64),
            n_classes=len(self.classes_),
            inner_cv=self.cv,
            seed=self.seed,
            refit=self.refit,
            groups=None if groups is None else _numbers(groups, len(labels)),
        )
        # As in scikit-learn, None is one job and -1 is one for each core.
        self.stack_ = fit_stack(plan, jobs=None if self.n_jobs == -1 else self.n_jobs or 1)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label of each row of X, (n_samples,)."""
        check_is_fitted(self)
        found: NDArray[Any] = self.classes_[self.stack_.labels(self._new(X))]
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class, (n_samples, n_classes); not calibrated."""
        check_is_fitted(self)
        found: NDArray[np.float64] = softmax(self.stack_.answer(self._new(X)).scores, axis=1)
        return found

    def _new(self, X: ArrayLike) -> list[Features]:
        return self._features(validate_data(self, X, dtype=np.float32, reset=False))

    def _features(self, X: Any) -> list[Features]:
        """Return each block of columns as features."""
        widths = [X.shape[1]] if self.blocks is None else list(self.blocks)
        if sum(widths) != X.shape[1] or min(widths) < 1:
            raise ValueError(
                f"blocks must be the numbers of features of each block, {X.shape[1]} together, "
                f"got {widths}"
            )
        parts = np.split(X, np.cumsum(widths)[:-1], axis=1)
        return [Features.from_matrix(f"block {n}", part) for n, part in enumerate(parts, start=1)]

    def _classifiers(self) -> CheckedClassifiers:
        registry = with_seed(installed(), self.seed)
        named = [self.learner] if isinstance(self.learner, str) else list(self.learner)
        learners = registry.several("learner", named)
        if not learners:
            raise UsageError("learner must name at least one learner, such as 'logistic'")
        return checked(learners, (), [registry.one("aggregator", self.aggregator)])


def _numbers(groups: ArrayLike, count: int) -> Groups | None:
    """Return groups (count,) as numbers from 0; None if every row is a group of its own."""
    found = np.asarray(groups)
    if found.shape != (count,):
        raise ValueError(f"groups must have shape {(count,)}, got {found.shape}")
    unique, numbers = np.unique(found, return_inverse=True)
    return None if len(unique) == count else numbered(numbers)
