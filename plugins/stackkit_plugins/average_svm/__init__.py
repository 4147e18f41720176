"""The published recipe's stack: averaged probabilities into a linear support vector machine."""

from stackkit.api import AggregatorSpec, Option, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `average-svm`."""
    return [
        AggregatorSpec(
            name="average-svm",
            summary="mlxtend's StackingClassifier: mean probabilities into LinearSVC (the recipe)",
            factory="stackkit_plugins.average_svm.aggregator:AverageSVM",
            options=(
                Option(
                    name="fit_on",
                    default="in-sample",
                    choices=("in-sample", "out-of-fold"),
                    help="probabilities of rows the learners know (the recipe), or of held-out rows",
                ),
                Option(name="C", default=1.0, above=0, help="inverse of the regularisation strength"),
                Option(
                    name="dual",
                    default="true",
                    choices=("true", "false", "auto"),
                    help="LinearSVC's solver; true was the default when the recipe was written",
                ),
                Option(name="max_iter", default=1000, minimum=1, help="most passes over the rows"),
                Option(name="tol", default=1e-4, above=0, help="tolerance at which the solver stops"),
                Option(
                    name="seed",
                    default=0,
                    minimum=0,
                    maximum=2**32 - 1,
                    help="order of coordinates; the run's seed by default",
                ),
            ),
        )
    ]
