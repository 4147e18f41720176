"""The fits of one fold that do not depend on other fits, and what their results are used for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stackkit.api.aggregator import FitOn
from stackkit.evaluation.aggregator_fit import FeatureFit
from stackkit.evaluation.fit import Fit, FitResult
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.probabilities import (
    FoldProbabilities,
    Probabilities,
    out_of_fold,
    without_information,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFits:
    """The distinct fits of one fold that do not depend on other fits.

    Parameters
    ----------
    number : int
        The fold's number, from 0.
    fold : Fold
        Its training and test rows.
    inner_folds : sequence of Fold
        Inner folds of the training rows; empty if no aggregator is fitted on out-of-fold probabilities.
    uninformed : ndarray of shape (n_uninformed,), int64
        Positions of training rows whose class no inner fold's learner knows: the only image of a class.
    average : bool
        Whether the inner folds' learners also predict the test rows, for
        `FoldProbabilities.test_averaged`.
    baselines : sequence of sequence of LearnerFit
        `baselines[b][i]` fits baseline b on backbone i. It is a learner's fit if both are the same.
    learners : sequence of LearnerFit
        `learners[i]` fits base learner i: a learner on one backbone. All backbones of the first learner
        come before those of the second one. Empty without `FitPlan.learners_too`.
    inner : sequence of sequence of LearnerFit
        `inner[i][k]` fits base learner i without inner fold k.
    feature_fits : mapping of (str, str) to FeatureFit
        Fits of aggregators on features, by the texts of the aggregator and of the learner that it fits.

    """

    number: int
    fold: Fold
    inner_folds: Sequence[Fold]
    uninformed: NDArray[np.int64]
    average: bool
    baselines: Sequence[Sequence[LearnerFit]]
    learners: Sequence[LearnerFit]
    inner: Sequence[Sequence[LearnerFit]]
    feature_fits: Mapping[tuple[str, str], FeatureFit]

    @property
    def all(self) -> list[Fit]:
        """Every fit once."""
        # Learners before the aggregators that fit one themselves: an error then names the learner.
        fits: Iterator[Fit] = chain(
            *self.baselines, self.learners, self.feature_fits.values(), *self.inner
        )
        return list(dict.fromkeys(fits))  # a baseline that equals a learner shares its fits

    def sources(self, fit_on: FitOn) -> list[LearnerFit]:
        """Return the fits that the probabilities of an aggregator come from."""
        # In-sample aggregators do not depend on the inner fits. Leaving these out of the digest keeps
        # their cached fits valid when an out-of-fold aggregator is added or --inner-cv changes.
        return [*self.learners, *(chain(*self.inner) if fit_on == "out-of-fold" else ())]

    def single_results(self, results: Mapping[Fit, FitResult]) -> Iterator[FitResult]:
        """Yield the results of the baselines, then of the base learners, in the order of the table."""
        yield from (results[fit] for fit in chain(*self.baselines))
        for fit, inner in zip(self.learners, self.inner, strict=bool(self.learners)):
            # The table has one row for a base learner and its inner fits, and shows all warnings.
            converged = all(results[one].converged for one in (fit, *inner))
            yield replace(results[fit], converged=converged)

    def probabilities(self, results: Mapping[Fit, FitResult]) -> FoldProbabilities:
        """Stack the base learners' probabilities along a new first axis, in their order."""
        in_sample = [_present(results[fit].in_sample) for fit in self.learners]
        test = [_present(results[fit].probabilities) for fit in self.learners]
        labels = next(chain(self.learners, *self.inner)).labels[self.fold.train]
        held_out, averaged = [], []
        for fits in self.inner if self.inner_folds else ():
            # An inner fit predicts its held-out rows and then, if `average`, the fold's test rows.
            parts = [
                np.split(_present(results[fit].probabilities), [len(inner.test)])
                for fit, inner in zip(fits, self.inner_folds, strict=True)
            ]
            known_rows = out_of_fold([known for known, _ in parts], self.inner_folds)
            held_out.append(without_information(known_rows, self.uninformed, labels))
            if self.average:
                averaged.append(np.mean([new for _, new in parts], axis=0))
        # Without learners, no aggregator asks for `in_sample` or `test`; only their shapes matter.
        return FoldProbabilities(
            in_sample=np.stack(in_sample or held_out),
            out_of_fold=np.stack(held_out) if held_out else None,
            test=np.stack(test or averaged),
            test_averaged=np.stack(averaged) if averaged else None,
        )


def _present(probabilities: Probabilities | None) -> Probabilities:
    assert probabilities is not None, "requested by the fit plan"
    return probabilities
