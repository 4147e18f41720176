"""Invalid values of options are refused before a component is created."""

from types import ModuleType

import pytest
from support.making import spec_of

from stackkit.api import OptionValue, UsageError
from stackkit_plugins import (
    average_svm,
    ensemble_selection,
    lda,
    linear_svm,
    logistic,
    prototypes,
    ridge,
    stacked_logistic,
    voting,
)

INVALID: dict[str, tuple[OptionValue, ...]] = {
    "C": (-1.0, 0.0, float("inf"), "often"),
    "max_iter": (0, -5),
    "tol": (0.0, float("inf")),
    "epochs": (0, "often"),
    "seed": (-1, 2**32),
    "shrinkage": (0.0, 1.5),
    "alpha": (-1.0, 0.0, "often"),
    "temperature": (-1.0, 0.0, float("inf"), "hot"),
    "rounds": (-1,),
    "bags": (-1,),
    "bag_fraction": (0.0, 1.5),
}
LEARNERS = [
    (logistic, "logistic"),
    (logistic, "logistic-ovr"),
    (logistic, "sgd-logistic"),
    (linear_svm, "linear-svm"),
    (linear_svm, "calibrated-svm"),
    (lda, "lda"),
    (ridge, "ridge"),
    (prototypes, "prototypes"),
]
AGGREGATORS = [
    (average_svm, ""),
    (ensemble_selection, ""),
    (stacked_logistic, ""),
    (voting, "weighted-vote"),
]


@pytest.mark.parametrize(("plugin", "name"), LEARNERS + AGGREGATORS)
def test_invalid_numbers_are_refused_with_what_is_allowed(plugin: ModuleType, name: str):
    bounded = [option for option in spec_of(plugin, name).options if option.name in INVALID]
    assert bounded
    for option in bounded:
        for value in INVALID[option.name]:
            with pytest.raises(UsageError, match=rf"option {option.name} must be .*, got '?{value}'?$"):
                option.parse(str(value))
