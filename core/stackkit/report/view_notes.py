"""Say what the classifiers of a report do with several views of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.views import DeclaredUse, use_of_views

_TEXTS: Mapping[DeclaredUse, str] = {
    "rows": "Fitted on every view as a training row, with predictions averaged over the views",
    "average": "Fitted on the average of the views, and predicting from it",
    "probabilities": "Fitted on whole images, with predictions averaged over the views",
    "auto": "Fitted on every view, or on whole images alone, by what predicts left-out images better",
}


def notes_on_views(plan: FitPlan, results: Sequence[Result]) -> Iterator[str]:
    """Yield a note on the views of each backbone, and one for each use that classifiers make of them.

    Parameters
    ----------
    plan : FitPlan
        What was fitted.
    results : sequence of Result
        The rows of the table.

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
    choices = [choice for result in results for choice in result.views]
    if whole := choices.count("whole"):
        yield (
            f"In {whole} of {len(choices)} fits, views did more harm than good, and whole images alone "
            "were used."
        )
