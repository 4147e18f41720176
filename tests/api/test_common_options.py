"""Options that many components have, as the host and its helpers take their values."""

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


def test_no_limit_and_any_limit_are_what_limit_per_class_takes() -> None:
    limit = limit_option()
    assert limit_per_class([], limit.default) == limit_per_class([], limit.parse("3")) == []  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 1"):
        limit.parse("0")


@pytest.mark.parametrize("default", ["in-sample", "out-of-fold"])
def test_fit_on_says_what_an_aggregator_learns_from_and_offers_no_features(default) -> None:
    fit_on = fit_on_option(default)
    assert fit_on.default == default
    with pytest.raises(UsageError, match="choose one of in-sample, out-of-fold"):
        fit_on.parse("features")
