"""Keep the classifier of a fit, as an object and as a state that outlives the process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stackkit.api.state import State
from stackkit.evaluation.fit import FitResult
from stackkit.host.configured_component import ConfiguredComponent


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How the fitted classifier of a component becomes a state, and a classifier again.

    Parameters
    ----------
    component : ConfiguredComponent
        A learner or an aggregator.
    n_classes : int
        Number of classes.
    learner : ConfiguredComponent or None
        The learner inside an aggregator that is fitted on features.

    """

    component: ConfiguredComponent
    n_classes: int
    learner: ConfiguredComponent | None = None

    @property
    def portable(self) -> bool:
        """Whether a fitted classifier has a state."""
        return self.component.portable and (self.learner is None or self.learner.portable)

    def state(self, fitted: Any) -> State:
        """Return the state of a fitted classifier."""
        inside = {} if self.learner is None else {"learner_state": self.learner.state_of}
        return self.component.state_of(fitted, **inside)

    def restored(self, state: State) -> Any:
        """Return the fitted classifier of a state."""
        inside = {} if self.learner is None else {"restore_learner": self._restored_learner}
        return self.component.restored(state, n_classes=self.n_classes, **inside)

    def _restored_learner(self, state: State) -> Any:
        assert self.learner is not None
        return self.learner.restored(state, n_classes=self.n_classes)

    def of(self, fitted: Any) -> dict[str, Any]:
        """Return the fields of a FitResult that keep the classifier."""
        return {"fitted": fitted, "state": self.state(fitted) if self.portable else None}

    def classifier(self, result: FitResult) -> Any:
        """Return the classifier of a result that was asked to keep it."""
        if result.fitted is not None:
            return result.fitted
        assert result.state is not None, "such results are not cached"
        return self.restored(result.state)
