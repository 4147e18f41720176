"""Options that many components have, so that each is called the same and means the same everywhere."""

from __future__ import annotations

from typing import Literal

from stackkit.api.specs import Option

MOST_SEED = 2**32 - 1
"""The largest seed that NumPy's and scikit-learn's generators take."""


def seed_option(decides: str) -> Option:
    """`seed`: the run's own unless the user gives another. `decides` says what depends on it."""
    return Option(
        name="seed",
        default=0,
        minimum=0,
        maximum=MOST_SEED,
        help=f"{decides}; the run's seed by default",
    )


def limit_option() -> Option:
    """`limit` of a dataset, whose value `limit_per_class` takes."""
    return Option(
        name="limit", default=None, type=int, minimum=1, help="at most this many images per class"
    )


def fit_on_option(default: Literal["in-sample", "out-of-fold"]) -> Option:
    """`fit_on` of an aggregator that learns from probabilities: its attribute of that name."""
    return Option(
        name="fit_on",
        default=default,
        choices=("in-sample", "out-of-fold"),
        help="in-sample: probabilities of rows the learners know; out-of-fold: of rows held out",
    )
