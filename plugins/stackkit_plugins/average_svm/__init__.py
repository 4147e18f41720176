"""The published recipe's stack: averaged probabilities into a linear support vector machine."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl
from stackkit_plugins.linear_learners import LINEAR_SVC


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `average-svm`."""
    return [
        AggregatorSpec(
            name="average-svm",
            summary="mlxtend's StackingClassifier: mean probabilities into LinearSVC (the recipe)",
            factory="stackkit_plugins.average_svm.aggregator:AverageSVM",
            options=(
                fit_on_option("in-sample"),
                *LINEAR_SVC,
                Option(
                    name="dual",
                    default="true",
                    choices=("true", "false", "auto"),
                    help="LinearSVC's solver; true was the default when the recipe was written",
                ),
            ),
        )
    ]
