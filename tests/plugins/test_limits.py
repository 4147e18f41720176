"""The option `limit` of built-in datasets: fewer images per class, and nothing else changes."""

from collections import Counter
from functools import partial

import pytest
from support.making import create

from stackkit.api import UsageError
from stackkit_plugins import cub200, image_folder, mnist


@pytest.fixture(params=["cub200", "image-folder", "mnist"])
def make(request):
    """Create one of the datasets with the options of a test."""
    if request.param == "mnist":
        return partial(create, mnist)
    if request.param == "cub200":
        return partial(create, cub200, root=str(request.getfixturevalue("cub_root")))
    return partial(create, image_folder, root=str(request.getfixturevalue("bird_folder")))


def test_a_limit_keeps_at_most_that_many_per_class_in_order(make):
    whole = make()
    per_class = Counter(sample.label for sample in whole.samples)
    for limit in (1, 2, 1_000_000):
        limited = make(limit=limit)
        assert list(limited.classes) == list(whole.classes)
        kept = set(limited.samples)
        assert list(limited.samples) == [sample for sample in whole.samples if sample in kept]
        expected = {label: min(limit, count) for label, count in per_class.items()}
        assert Counter(sample.label for sample in limited.samples) == expected


def test_a_limit_does_not_change_the_image_of_an_id(make):
    whole, limited = make(), make(limit=1)
    number = {sample.id: i for i, sample in enumerate(whole.samples)}
    for i, sample in enumerate(limited.samples):
        assert limited.fingerprint(i) == whole.fingerprint(number[sample.id])


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(make, limit):
    with pytest.raises(UsageError, match=f"limit must be at least 1, got {limit}"):
        make(limit=limit)
