"""`limit_per_class`: laws that hold for any dataset."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackkit.api.dataset import Sample
from stackkit.api.errors import UsageError
from stackkit.api.samples import limit_per_class

LIMITS = st.integers(1, 8)


@st.composite
def datasets(draw):
    kinds = st.tuples(st.integers(0, 3), st.sampled_from([None, "train", "val", "test"]))
    rows = draw(st.lists(kinds, max_size=40))
    return [Sample(id=f"{i}", label=label, split=split) for i, (label, split) in enumerate(rows)]


@given(datasets())
def test_no_limit_keeps_everything(samples):
    assert limit_per_class(samples, None) == samples


@given(datasets(), LIMITS)
def test_every_class_keeps_the_limit_or_all_its_samples(samples, limit):
    had = Counter(sample.label for sample in samples)
    kept = Counter(sample.label for sample in limit_per_class(samples, limit))
    assert kept == {label: min(limit, count) for label, count in had.items()}


@given(datasets(), LIMITS)
def test_the_order_is_kept(samples, limit):
    kept = limit_per_class(samples, limit)
    chosen = {sample.id for sample in kept}
    assert kept == [sample for sample in samples if sample.id in chosen]


@given(datasets(), LIMITS)
def test_limiting_twice_is_limiting_once(samples, limit):
    once = limit_per_class(samples, limit)
    assert limit_per_class(once, limit) == once


@given(datasets(), LIMITS, LIMITS)
def test_a_larger_limit_only_adds(samples, one, other):
    low, high = sorted((one, other))
    smaller = {sample.id for sample in limit_per_class(samples, low)}
    assert smaller <= {sample.id for sample in limit_per_class(samples, high)}


@given(datasets(), LIMITS)
def test_other_classes_do_not_matter(samples, limit):
    alone = [sample for sample in samples if sample.label == 0]
    together = limit_per_class(samples, limit)
    assert [sample for sample in together if sample.label == 0] == limit_per_class(alone, limit)


@given(datasets(), LIMITS)
def test_no_split_of_a_class_runs_empty_while_there_is_room(samples, limit):
    kept = limit_per_class(samples, limit)
    for label in {sample.label for sample in samples}:
        splits = {sample.split for sample in samples if sample.label == label}
        left = {sample.split for sample in kept if sample.label == label}
        assert len(left) == min(limit, len(splits))


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused_with_its_value(limit):
    with pytest.raises(
        UsageError, match=re.escape(f"limit must be at least 1 image per class, got {limit}")
    ):
        limit_per_class([], limit)
