"""Backbones that share a network: it runs once for all, with the features of runs of their own."""

import numpy as np
import pytest
from support.extracting import MeanColours, checked, directly, extracted, stored

from stackkit.api.backbone import Readiness
from stackkit.api.errors import ExtractionError
from stackkit.api.reporter import SilentReporter
from stackkit.extraction.extract import estimate_extraction, extract, fingerprints
from stackkit.extraction.passes import passes


class Network:
    """Counts its calls; (n, size, size, 3) -> the mean and the maximum of each channel."""

    def __init__(self, size: int = 32) -> None:
        self.size, self.seen, self.prepared = size, [], 0

    def __call__(self, images):
        self.seen.append(len(images))
        pixels = images.reshape(len(images), -1, 3).astype(np.float32)
        return {"avg": pixels.mean(axis=1), "max": pixels.max(axis=1)}


class Pooling:
    """One or several poolings of a network."""

    trained = True

    def __init__(self, network: Network, *poolings: str) -> None:
        self.network, self.poolings = network, poolings
        self.image_size, self.feature_dim = network.size, 3 * len(poolings)
        self.revision = "+".join(poolings)
        self.expected = 0

    @property
    def pass_key(self):
        return f"network {id(self.network)}"

    def join(self, others):
        return Pooling(self.network, *self.poolings, *(p for other in others for p in other.poolings))

    def expect(self, images):
        self.network.expected = images

    def prepare(self, probe, tell):
        self.network.prepared += 1
        return Readiness(settings={"poolings": len(self.poolings)}, batch_size=4, images_per_s=6.0)

    def extract(self, images):
        found = self.network(images)
        return np.concatenate([found[pooling] for pooling in self.poolings], axis=1)


def run(birds, store, *backbones):
    rows, _ = fingerprints("birds", birds, SilentReporter())
    return extract(birds, rows, checked(*backbones), store, SilentReporter())


def test_a_network_runs_once_for_all_its_poolings_and_each_has_its_own_file(birds, store):
    network, apart = Network(), Network(48)
    backbones = Pooling(network, "avg"), MeanColours(32), Pooling(network, "max"), Pooling(apart, "avg")
    summary, found = extracted(birds, store, *backbones)
    assert (sum(network.seen), network.prepared, network.expected) == (18, 1, 18)
    assert sum(apart.seen) == 18
    assert set(summary.computed.values()) == {18}
    for backbone, (features, intact) in zip(backbones, found, strict=True):
        assert intact.all()
        assert np.array_equal(features, directly(birds, backbone))
    assert sorted(birds.decoded) == list(range(18))


def test_poolings_that_were_stored_before_are_not_computed_again(birds, store, tmp_path):
    network = Network()
    extracted(birds, store, Pooling(network, "avg"))
    network.seen.clear()
    summary, found = extracted(birds, store, Pooling(network, "avg"), Pooling(network, "max"))
    assert summary.computed == {"colours-0": 0, "colours-1": 18}
    assert sum(network.seen) == 18
    assert np.array_equal(found[1][0], directly(birds, Pooling(network, "max")))


def test_each_pooling_of_a_pass_gets_the_rows_that_are_pending_for_it(birds, store):
    rows, _ = fingerprints("birds", birds, SilentReporter())
    network = Network()
    named = checked(Pooling(network, "avg"), Pooling(network, "max"))
    kept = [3, 4, 5, 17], [0, 4, 5, 6, 7]
    for one, numbers in zip(named, kept, strict=True):
        with store.open(one.key, rows, one.provenance) as file:
            file.write(numbers, np.full((len(numbers), 3), -1, np.float32))
    summary = extract(birds, rows, named, store, SilentReporter())
    assert summary.computed == {"colours-0": 14, "colours-1": 13}
    assert sum(network.seen) == 16, "4 and 5 are stored for both"
    for one, numbers in zip(named, kept, strict=True):
        features, intact = stored(store, one, rows)
        assert intact.all()
        assert (features[numbers] == -1).all(), "stored rows are not written again"
        others = np.setdiff1d(np.arange(18), numbers)
        assert np.array_equal(features[others], directly(birds, one.backbone)[others])


def test_the_time_of_a_pass_is_predicted_once(birds, store):
    rows, _ = fingerprints("birds", birds, SilentReporter())
    network = Network()
    named = checked(Pooling(network, "avg"), Pooling(network, "max"))
    estimate = estimate_extraction(birds, rows, named, store, SilentReporter())
    assert estimate.seconds == pytest.approx(18 / 6)


def test_only_backbones_of_one_component_are_joined_and_a_wrong_join_is_refused():
    network = Network()
    one, other = checked(Pooling(network, "avg"), Pooling(network, "max"))
    (both,) = passes([one, other])
    assert both.backbone.label == "colours-0 and colours-1"

    class Wrong(Pooling):
        def join(self, others):
            return self

    one, other = checked(Wrong(network, "avg"), Wrong(network, "max"))
    with pytest.raises(ExtractionError, match=r"join must return a backbone .* with 6 features, got"):
        passes([one, other])
