"""What linear classifiers share: options, normalisation, and rows held out of training.

Listing a plugin needs the options, so nothing heavy is imported here.
"""

from stackkit.api import Option, seed_option

C = Option(name="C", default=1.0, above=0, help="inverse of the regularisation strength")

TOL = Option(name="tol", default=1e-4, above=0, help="tolerance at which the solver stops")

NORMALISE = Option(
    name="normalise",
    default="none",
    choices=("none", "standardise", "l2", "power"),
    help="standardise: columns to mean 0, variance 1; l2: rows to length 1; power: signed roots, l2",
)

LINEAR_SVC = (
    C,
    Option(name="max_iter", default=1000, minimum=1, help="most passes over the rows"),
    TOL,
    seed_option("order of coordinates"),
)
"""Options of scikit-learn's `LinearSVC`, without `dual`."""
