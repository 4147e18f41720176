"""Bring features to a common scale before a linear learner, with scikit-learn's own transformers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.utils.metaestimators import available_if

from stackkit.api import StoredRows, group_argument
from stackkit_plugins.shared.linear_learners.fitted import signed_sqrt
from stackkit_plugins.shared.linear_learners.stored import TransformedRows, portions


def with_normalisation(learner: Any, normalise: str) -> Any:
    """Put a learner behind the transformers that `normalise` names.

    Parameters
    ----------
    learner : estimator
        A scikit-learn classifier.
    normalise : {"none", "standardise", "l2", "power"}
        Columns to mean 0 and variance 1; rows to length 1; or signed square roots, then "l2".

    Returns
    -------
    estimator
        A scikit-learn pipeline, or `learner` itself for "none". Its `fit` takes `groups` if that of
        `learner` does, and it has `fit_stored` if `learner` has it. Means and variances are those of
        the rows that `fit` gets. Constant columns and rows of zeros become zeros; float32 stays
        float32.

    References
    ----------
    For "power": F. Perronnin, J. Sánchez and T. Mensink, "Improving the Fisher kernel for
    large-scale image classification", ECCV 2010.

    """
    match normalise:
        case "none":
            return learner
        case "standardise":
            return _pipeline(StandardScaler(), learner)
        case "l2":
            return _pipeline(Normalizer(), learner)
        case "power":  # the root comes first, as in the paper: l2 would undo a change of scale
            return _pipeline(FunctionTransformer(signed_sqrt), Normalizer(), learner)
    raise ValueError(f"normalise must be none, standardise, l2 or power, got {normalise}")


class GroupedPipeline(Pipeline):  # type: ignore[misc]
    """A pipeline that passes `groups` to the `fit` of its last step."""

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.int64],
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Fit on (n_samples, n_features), (n_samples,) labels and (n_samples,) groups or None."""
        last = self.steps[-1][0]
        super().fit(X, y, **({} if groups is None else {f"{last}__groups": groups}))
        return self


class StreamingPipeline(Pipeline):  # type: ignore[misc]
    """A pipeline whose last step is a `StreamingLearner`."""

    def fit_stored(self, rows: StoredRows) -> Self:
        """Fit the steps one after the other; "standardise" reads all rows once more for that."""
        for _, step in self.steps[:-1]:
            if hasattr(step, "partial_fit"):
                for _, X in portions(rows):
                    step.partial_fit(X)
            rows = TransformedRows(rows, step.transform)
        self.steps[-1][1].fit_stored(rows)
        return self

    @available_if(lambda self: hasattr(self.steps[-1][1], "partial_fit"))  # type: ignore[untyped-decorator]
    def partial_fit(self, X: NDArray[np.floating], y: NDArray[np.int64]) -> Self:
        """Pass (n_samples, n_features) and (n_samples,) labels to the last step."""
        for _, step in self.steps[:-1]:
            X = step.transform(X)
        self.steps[-1][1].partial_fit(X, y)
        return self


class GroupedStreamingPipeline(StreamingPipeline, GroupedPipeline):
    """A pipeline whose last step is a `StreamingLearner` with `groups`."""


def _pipeline(*steps: Any) -> Pipeline:
    pipeline = make_pipeline(*steps)
    takes_groups = group_argument(getattr(steps[-1], "fit", len), np.zeros(1, np.int64))
    if hasattr(steps[-1], "fit_stored"):
        kind = GroupedStreamingPipeline if takes_groups else StreamingPipeline
        return kind(pipeline.steps)
    return GroupedPipeline(pipeline.steps) if takes_groups else pipeline
