"""Aggregator: the published recipe's stack, mean probabilities into a linear support vector machine."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT, LIBLINEAR, LINEAR_SVC


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `average-svm`."""
    return [
        AggregatorSpec(
            name="average-svm",
            summary="mean probabilities into a LinearSVC, as in the recipe (mlxtend)",
            factory="stackkit_plugins.average_svm.aggregator:AverageSVM",
            process_state=LIBLINEAR,
            state="stackkit_plugins.average_svm.state:average_svm_state",
            restore="stackkit_plugins.average_svm.state:restore_average_svm",
            options=(
                fit_on_option("in-sample"),
                *LINEAR_SVC,
                Option(
                    name="dual",
                    default="true",
                    choices=("true", "false", "auto"),
                    help="dual= of LinearSVC; true was its default when the recipe was published",
                ),
                CLASS_WEIGHT,
            ),
        )
    ]
