"""How long networks took is remembered beside the features, for all images or not at all."""

import json
import time

import numpy as np
import pytest
from support.extracting import MeanColours, checked

from stackkit.api.reporter import SilentReporter
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.feature_set import FeatureSet
from stackkit.extraction.network_seconds import FILE_NAME, network_seconds


class Slow(MeanColours):
    """Takes 5 ms for each image, and may fail at its Nth call."""

    def __init__(self, size: int, fails_at: int = 0) -> None:
        super().__init__(size)
        self.fails_at, self.images = fails_at, 0

    def extract(self, images):
        if self.calls + 1 == self.fails_at:
            raise RuntimeError("the network fails")
        time.sleep(0.005 * len(images))
        self.images += len(images)
        return super().extract(images)


class Joined(Slow):
    """A pass of several poolings."""

    def __init__(self, parts: int) -> None:
        super().__init__(32)
        self.parts, self.feature_dim = parts, 12 * parts

    pass_key = "slow"

    def join(self, others):
        return Joined(self.parts + sum(other.parts for other in others))

    def extract(self, images):
        return np.hstack([super().extract(images)] * self.parts)


def measured(birds, store, *backbones, images=18):
    """Extract, and return the seconds of each backbone."""
    rows, _ = fingerprints("birds", birds, SilentReporter())
    named = checked(*backbones)
    extract(birds, rows, named, store, SilentReporter())
    sets = [FeatureSet(backbone=each) for each in named]
    return network_seconds(sets, images, rows, store)


def test_the_time_is_that_of_the_network_and_outlives_the_extraction(birds, store):
    slow = Slow(32)
    (seconds,) = measured(birds, store, slow)
    assert seconds >= 18 * 0.005
    assert measured(birds, store, slow) == [seconds], "nothing is computed again"
    (store.folder / FILE_NAME).unlink()
    assert measured(birds, store, slow) == [None]


def test_backbones_of_one_pass_share_its_time(birds, store):
    one, other = Joined(1), Joined(1)
    other.revision = "2"
    first, second = measured(birds, store, one, other)
    assert first == second
    assert 2 * first >= 18 * 0.005, "together they have the time of the pass"


def test_an_extraction_that_failed_and_was_resumed_adds_up(birds, store):
    with pytest.raises(Exception, match="the network fails"):
        measured(birds, store, Slow(32, fails_at=4))
    lines = (store.folder / FILE_NAME).read_text().split("\n")
    (before,) = [json.loads(line) for line in lines if line]
    assert before[2] == 12
    resumed = Slow(32)
    (seconds,) = measured(birds, store, resumed)
    assert seconds >= 18 * 0.005
    assert resumed.images < 18


def test_a_time_for_part_of_the_images_is_not_shown(birds, store):
    slow = Slow(32)
    assert measured(birds, store, slow, images=19) == [None]
    (seconds,) = measured(birds, store, slow, images=9)
    assert seconds == pytest.approx(measured(birds, store, slow)[0] / 2)
