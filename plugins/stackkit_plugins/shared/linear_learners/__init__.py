"""What linear classifiers share: options, normalisation, splits of a training fold, and calibration.

Listing plugins needs the options, so this module imports nothing heavy.
"""

from stackkit.api import Option, seed_option

C = Option(
    name="C", default=1.0, above=0, help="inverse of the regularisation strength; smaller is stronger"
)

TOL = Option(name="tol", default=1e-4, above=0, help="tolerance at which the solver stops")

NORMALISE = Option(
    name="normalise",
    default="none",
    choices=("none", "standardise", "l2", "power"),
    help="standardise: columns; l2: rows to length 1; power: signed square roots, then l2",
)

CLASS_WEIGHT = Option(
    name="class_weight",
    default=None,
    type=str,
    choices=("balanced",),
    help="balanced: weight classes by their inverse frequency",
)

LIBLINEAR = ("liblinear",)
"""Process-wide state of scikit-learn's `LinearSVC` and its solver "liblinear": one random generator.

Its C++ code keeps the generator in a global variable and seeds it at the beginning of each fit. A second
fit would start it again, and take numbers from it, in the middle of the first.
"""

TEMPERATURE = Option(
    name="temperature",
    default="auto",
    type=float,
    words=("auto",),
    above=0,
    help="divides scores before the softmax; auto: calibrated on left-out rows",
)

UPDATABLE = Option(
    name="updatable",
    default=False,
    help="keep statistics in the model, so that images can be added later",
)

LINEAR_SVC = (
    C,
    Option(name="max_iter", default=1000, minimum=1, help="maximum number of passes over the rows"),
    TOL,
    seed_option("seed of the order of coordinates"),
)
"""Options of scikit-learn's `LinearSVC`, except `dual` and `CLASS_WEIGHT`."""
