"""Models with a third party's classifiers that have no state: saved, and opened only with trust."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.models import COLOURS_PLUGIN, coloured_images, features_of, small_model

from stackkit.api import UsageError
from stackkit.api.errors import BundleError
from stackkit.bundle import open_bundle, write_bundle
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.classifiers import check_savable
from stackkit.model.saved import load_model, save_model

PLUGIN = """
from stackkit.api import LearnerSpec, hookimpl

@hookimpl
def stackkit_learners():
    factory = "sklearn.discriminant_analysis:LinearDiscriminantAnalysis"
    return [LearnerSpec(name="discriminants", summary="linear discriminants", factory=factory)]
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    file = tmp_path_factory.mktemp("plugins") / "kinds.py"
    file.write_text(PLUGIN, encoding="utf-8")
    files = os.pathsep.join(map(str, (COLOURS_PLUGIN, file)))
    return Registry(host=load_host(environ={**os.environ, "STACKKIT_PLUGIN_FILES": files}))


def test_a_model_with_a_foreign_learner_answers_as_before_if_it_is_trusted(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "m.stackkit"
    model = small_model(registry, "discriminants", "soft-vote")
    save_model(model, path)
    with open_bundle(path) as bundle:
        assert {each.format for each in bundle.manifest.learners} == {"skops"}
    with pytest.raises(UsageError, match=r"saved with skops.* add --trust discriminants"):
        load_model(path, registry)
    loaded = load_model(path, registry, trust=["discriminants"])
    features = features_of(registry, coloured_images(7, seed=3)[0])
    before, after = (each.answer(features) for each in (model, loaded))
    assert np.array_equal(before.probabilities, after.probabilities)
    assert np.array_equal(before.votes, after.votes)
    save_model(loaded, tmp_path / "again.stackkit")


def test_a_learner_without_a_state_cannot_be_inside_an_aggregator(
    registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"discriminants of .*kinds\.py has no state that can be"):
        save_model(small_model(registry, "discriminants", "concat"), tmp_path / "m.stackkit")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_saved_is_refused_before_anything_is_fitted(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = registry.one("learner", "discriminants")
    concat, vote = (registry.one("aggregator", name) for name in ("concat", "soft-vote"))
    check_savable(vote, [learner], inside=False)
    with pytest.raises(UsageError, match="has no state that can be saved inside"):
        check_savable(concat, [learner], inside=True)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(UsageError, match=r"discriminants .* pip install 'stackkit\[skops\]'"):
        check_savable(vote, [learner], inside=False)
    check_savable(concat, [registry.one("learner", "ridge")], inside=True)


def test_no_trust_makes_skops_read_a_classifier_of_stackkit(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "m.stackkit"
    save_model(small_model(registry, "ridge", "soft-vote"), path)
    with open_bundle(path) as bundle:
        first, *others = bundle.manifest.learners
        names = {"aggregator", "calibration", "novelty", "reliability", *others[0].states}
        states = {name: bundle.state(name) for name in names}
        hostile = replace(first, format="skops", states=("skops/a.skops",))
        manifest = replace(bundle.manifest, learners=(hostile, *others))
        write_bundle(path, manifest, states, {"skops/a.skops": b"anything"}, overwrite=True)
    with pytest.raises(BundleError, match="ridge of stackkit itself must have a state"):
        load_model(path, registry, trust=["ridge"])
