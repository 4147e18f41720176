"""Third-party estimators without a state: saved with skops, opened only by users who trust the file."""

import io
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from support.making import blobs

from stackkit.api import LearnerSpec, PluginError, UsageError
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.model.foreign import foreign_restored, foreign_state

SPEC = LearnerSpec(
    name="discriminants",
    summary="linear discriminants",
    factory="sklearn.discriminant_analysis:LinearDiscriminantAnalysis",
)
COMPONENT = ConfiguredComponent(
    component=Component(spec=SPEC, plugin="kinds", distribution="stackkit-kinds", version="1"),
    options={},
    name="discriminants",
)


class Elsewhere(GaussianNB):
    """A class of a package that is not the plugin's."""


def discriminants() -> LinearDiscriminantAnalysis:
    return LinearDiscriminantAnalysis().fit(*blobs())


def test_a_trusted_estimator_answers_bit_for_bit_as_before() -> None:
    X, _ = blobs()
    fitted = discriminants()
    data = foreign_state(fitted, COMPONENT)
    for name in ("discriminants", "kinds/discriminants"):
        restored = foreign_restored(data, COMPONENT, trust=[name], n_classes=8)
        assert np.array_equal(restored.predict_proba(X), fitted.predict_proba(X))


def test_nothing_is_read_unless_the_component_is_trusted_by_name() -> None:
    for trust in ([], ["knn"], ["other/discriminants"]):
        with pytest.raises(UsageError, match="add --trust discriminants") as caught:
            foreign_restored(b"not even a zip", COMPONENT, trust=trust)
        assert "can run code" in str(caught.value)


def test_types_of_other_packages_are_listed_when_saving_and_when_opening() -> None:
    import skops.io

    fitted = make_pipeline(Elsewhere()).fit(*blobs())
    with pytest.raises(
        PluginError, match=r"not of NumPy.*read: test_foreign\.Elsewhere; the plugin needs"
    ):
        foreign_state(fitted, COMPONENT)
    data = skops.io.dumps(fitted)
    with pytest.raises(PluginError, match=r"read: test_foreign\.Elsewhere"):
        foreign_restored(data, COMPONENT, trust=["discriminants"])
    own = replace(COMPONENT.component, spec=replace(SPEC, factory="test_foreign:Elsewhere"))
    restored = foreign_restored(data, replace(COMPONENT, component=own), trust=["discriminants"])
    assert restored.predict(blobs()[0]).tolist() == fitted.predict(blobs()[0]).tolist()


def compressed(data: bytes) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return file.getvalue()


def test_what_is_no_estimator_is_refused_in_one_line() -> None:
    import skops.io

    whole = foreign_state(discriminants(), COMPONENT)
    cases = {
        "File is not a zip file": b"PK",
        "members are compressed": compressed(whole),
        "with predict, got ndarray": skops.io.dumps(np.zeros(3)),
        "with predict_proba, got LinearSVC": skops.io.dumps(LinearSVC().fit(*blobs())),
        "classes_ must be below 5": whole,
    }
    for reason, data in cases.items():
        with pytest.raises(PluginError) as caught:
            foreign_restored(data, COMPONENT, trust=["discriminants"], n_classes=5)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_without_skops_the_command_that_installs_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(UsageError, match=r"pip install 'stackkit\[skops\]'"):
        foreign_state(discriminants(), COMPONENT)
