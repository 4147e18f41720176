"""Options that many components declare."""

import pytest

from stackkit.api.common_options import MOST_SEED, fit_on_option, limit_option, seed_option
from stackkit.api.errors import UsageError
from stackkit.api.samples import limit_per_class


def test_a_seed_is_one_that_every_generator_takes() -> None:
    seed = seed_option("order of rows")
    assert seed.help == "order of rows; the run's seed by default"
    assert [seed.parse(text) for text in ("0", str(MOST_SEED))] == [0, MOST_SEED]
    for text in ("-1", str(MOST_SEED + 1)):
        with pytest.raises(UsageError, match="seed"):
            seed.parse(text)


def test_limit_per_class_takes_no_limit_and_any_limit() -> None:
    limit = limit_option()
    assert limit_per_class([], limit.default) == limit_per_class([], limit.parse("3")) == []  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 1"):
        limit.parse("0")


@pytest.mark.parametrize("default", ["in-sample", "out-of-fold"])
def test_fit_on_takes_both_kinds_of_probabilities_and_not_features(default) -> None:
    fit_on = fit_on_option(default)
    assert fit_on.default == default
    with pytest.raises(UsageError, match="must be one of in-sample, out-of-fold"):
        fit_on.parse("features")
