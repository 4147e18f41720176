"""Say what the classifiers of a report do with several views of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.views import Use, use_of_views

_TEXTS: Mapping[Use, str] = {
    "rows": "are fitted on every view as a training row and average their predictions over the views",
    "average": "are fitted on the average of the views, and predict from it",
    "probabilities": "are fitted on whole images and average their predictions over the views",
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
    classifiers = plan.classifiers
    single = {one.text: one for one in (*classifiers.baselines, *classifiers.learners)}.values()
    for use, text in _TEXTS.items():
        if names := [one.label for one in single if use_of_views(one, several[0]) == use]:
            yield f"{', '.join(names)} {text}."
    on_features = [one for one in classifiers.aggregators if one.fit_on == "features"]
    if on_features:
        names = [one.component.label for one in on_features]
        yield f"{', '.join(names)} {_TEXTS['average']}."
