"""Bundles of every released schema open forever. Never write these files again, but add new ones."""

import hashlib
from pathlib import Path

import numpy as np
from support.bundles import read_everything

from stackkit.bundle import open_bundle

FIXTURES = Path(__file__).parent / "fixtures"


def test_a_bundle_of_schema_1_opens_with_everything_that_was_in_it():
    path = FIXTURES / "v1.stackkit"
    read_everything(path)
    with open_bundle(path) as bundle:
        manifest, state = bundle.manifest, bundle.state("aggregator")
        digest = hashlib.sha256(bundle.file("weights/tiny.h5")).hexdigest()
    assert manifest.classes == ("Laysan Albatross", "Fischmöwe")
    (network,) = manifest.backbones
    assert (network.component.name, network.component.options["size"]) == ("tiny/tiny", 32)
    assert network.weights is not None
    assert network.weights.sha256 == digest
    assert (network.revision, network.feature_dim) == ("tiny;weights=1", 4)
    assert (manifest.learners[0].states, manifest.aggregator.fit_on) == (("learner-0",), "in-sample")
    assert manifest.accuracy is not None
    assert manifest.accuracy.interval == (0.96, 0.99)
    assert manifest.provenance.created == "2026-11-26T12:00:00+00:00"
    assert state.arrays["big"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert state.arrays["scalar"] == np.float64(1) / 3
    assert state.arrays["flags"].tolist() == [True, False]
    assert state.parts["learner"].values == {"C": 0.1, "names": ["ä", "b"]}
    assert state.parts["learner"].arrays["coef"].shape == (3, 4)
