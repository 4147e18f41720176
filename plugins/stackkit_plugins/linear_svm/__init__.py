"""Learners: a linear support vector machine, the recipe's baseline, without and with probabilities."""

from stackkit.api import LearnerSpec, hookimpl
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT, LIBLINEAR, LINEAR_SVC, NORMALISE

_OPTIONS = (*LINEAR_SVC, NORMALISE, CLASS_WEIGHT)


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `linear-svm` and `calibrated-svm`."""
    return [
        LearnerSpec(
            name="linear-svm",
            summary="scikit-learn's LinearSVC(dual=True), the recipe's baseline",
            factory="stackkit_plugins.linear_svm.learner:linear_svm",
            process_state=LIBLINEAR,
            state="stackkit_plugins.linear_svm.state:linear_svm_state",
            restore="stackkit_plugins.linear_svm.state:restore_linear_svm",
            probabilities=False,
            options=_OPTIONS,
        ),
        LearnerSpec(
            name="calibrated-svm",
            summary="linear-svm with probabilities calibrated on held-out rows",
            factory="stackkit_plugins.linear_svm.learner:calibrated_svm",
            process_state=LIBLINEAR,
            state="stackkit_plugins.linear_svm.state:calibrated_svm_state",
            restore="stackkit_plugins.linear_svm.state:restore_calibrated_svm",
            options=_OPTIONS,
        ),
    ]
