"""A fitted stack: base learners on the features of backbones, and the aggregator above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.aggregator import FitOn
from stackkit.api.state import State
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import errors_name
from stackkit.evaluation.probabilities import checked_labels
from stackkit.evaluation.scores import scores
from stackkit.evaluation.views import Use, probabilities_of
from stackkit.host.configured_component import ConfiguredComponent


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedLearner:
    """A base learner that is fitted on the features of one backbone.

    Parameters
    ----------
    component : ConfiguredComponent
        The learner.
    backbone : int
        Position of the backbone among those of the model.
    members : tuple of object
        The fitted classifiers, one unless `Recipe.refit` is False; their probabilities are averaged.
    uses : tuple of {"whole", "rows", "average", "probabilities"}
        What views of an image are for, by member; see `LearnerFit.used_views`.
    states : tuple of (State or None)
        The state of each member, as far as it is known already: a classifier that was restored from its
        state need not be able to give it again.

    """

    component: ConfiguredComponent
    backbone: int
    members: tuple[Any, ...]
    uses: tuple[Use, ...]
    states: tuple[State | None, ...] = ()

    def probabilities(self, features: Features, n_classes: int) -> NDArray[np.float64]:
        """Return the probabilities of all rows of `features`, (n, n_classes)."""
        rows, members = np.arange(len(features.used_rows)), zip(self.members, self.uses, strict=True)
        with errors_name(self.component):
            each = [probabilities_of(one, features, rows, n_classes, use) for one, use in members]
        # The only one as it is: a mean of one float32 array would be the same, but of another dtype.
        return np.asarray(each[0] if len(each) == 1 else np.mean(each, axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StackAnswers:
    """What a stack says about n images, before calibration.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
        Predicted labels.
    scores : ndarray of shape (n, n_classes), float64
        See `evaluation.scores`.
    votes : ndarray of shape (n_learners, n, n_classes)
        Probabilities of the base learners.

    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    votes: NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Fitted base learners and the aggregator above them.

    Parameters
    ----------
    learners : tuple of FittedLearner
        In the order in which the aggregator was fitted on their probabilities.
    aggregator : ConfiguredComponent
        The aggregator.
    fitted : object
        The fitted aggregator.
    fit_on : {"in-sample", "out-of-fold", "features"}
        What it was fitted on.
    n_classes : int
        Number of classes.
    state : State or None
        The state of the fitted aggregator, if it is known already.

    """

    learners: tuple[FittedLearner, ...]
    aggregator: ConfiguredComponent
    fitted: Any
    fit_on: FitOn
    n_classes: int
    state: State | None = None

    def answer(self, features: Sequence[Features]) -> StackAnswers:
        """Classify images.

        Parameters
        ----------
        features : sequence of Features
            One entry per backbone of the model, with the views that its learners were fitted on.

        """
        count, votes = len(features[0].used_rows), self._votes(features)
        inputs = self._inputs(features, votes)
        with errors_name(self.aggregator):
            return StackAnswers(
                labels=checked_labels(self.fitted.predict(inputs), count, self.n_classes),
                scores=scores(self.fitted, inputs, count, self.n_classes),
                votes=votes,
            )

    def labels(self, features: Sequence[Features]) -> NDArray[np.int64]:
        """Return only the labels of images, (n,); also aggregators that give no scores have them."""
        count, needs_votes = len(features[0].used_rows), self.fit_on != "features"
        inputs = self._inputs(features, self._votes(features) if needs_votes else None)
        with errors_name(self.aggregator):
            return checked_labels(self.fitted.predict(inputs), count, self.n_classes)

    def _votes(self, features: Sequence[Features]) -> NDArray[np.floating]:
        return np.stack(
            [each.probabilities(features[each.backbone], self.n_classes) for each in self.learners]
        )

    def _inputs(self, features: Sequence[Features], votes: NDArray[np.floating] | None) -> Any:
        """Return what the aggregator predicts from."""
        if self.fit_on != "features":
            return votes
        rows = np.arange(len(features[0].used_rows))
        return [each.take_average(rows) for each in features]
