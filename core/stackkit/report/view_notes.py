"""Say what the classifiers of a report do with several views of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.views import Use, use_of_views

_TEXTS: Mapping[Use, str] = {
    "rows": "Fitted on every view as a training row, with predictions averaged over the views",
    "average": "Fitted on the average of the views, and predicting from it",
    "probabilities": "Fitted on whole images, with predictions averaged over the views",
}


def notes_on_views(plan: FitPlan) -> Iterator[str]:
    """Yield a note on the views of each backbone, and one for each use that classifiers make of them.

    Parameters
    ----------
    plan : FitPlan
        What was fitted.

    """
    several = [features for features in plan.features if features.n_views > 1]
    if not several:
        return
    counts = ", ".join(f"{features.n_views} of {features.label}" for features in several)
    yield (
        f"Classifiers use several views of each image ({counts}), which are always in the same fold; "
        "every image counts once."
    )
    chosen = plan.classifiers
    single, aggregators = (*chosen.baselines, *chosen.learners), chosen.aggregators
    uses = {one.label: use_of_views(one, several[0]) for one in single}
    uses |= {one.component.label: "average" for one in aggregators if one.fit_on == "features"}
    for use, text in _TEXTS.items():
        if names := [name for name in uses if uses[name] == use]:
            yield f"{text}: {', '.join(names)}."
