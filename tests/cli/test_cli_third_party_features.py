"""Features of third-party backbones belong to their code, version and options, and are checked."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import numpy as np
import pytest
from support.commands import Command, Outcome, chosen, photographs
from support.installing import Site

from stackkit.store import FeatureStore
from stackkit.store.catalogue import entries
from stackkit.utils.versions import source_digest

HEAD = """
    import numpy as np
    from stackkit.api import *

    @hookimpl
    def stackkit_backbones():
        options = (
            Option(name="gain", default=1.0, help=""),
            Option(name="batch", default=8, help=""),
            Option(name="threads", default=1, help=""),
            Option(name="parts", default=("all",), several="tuple", help=""),
        )
        return [BackboneSpec(name="mean", summary="", factory="means:Mean", options=options)]

    class Mean:
        image_size, feature_dim, revision, trained = 8, 3, "1", True
        def __init__(self, gain, batch, threads, parts):
            self.gain = gain
        def extract(self, images):
"""
MEAN = "return (self.gain * images.mean(axis=(1, 2)) / 255).astype(np.float32)"
DEVIATION = "return (images.std(axis=(1, 2)) / 255).astype(np.float32)"
DROPOUT = MEAN + " * (np.random.default_rng().random((len(images), 3)) > 0.5).astype(np.float32)"
BATCH = "x = images.mean(axis=(1, 2)); return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)"
NEXT_IMAGE = "return (np.roll(images, 1, axis=0).mean(axis=(1, 2)) / 255).astype(np.float32)"

NOT_USED = "mean: the stored features of revision '1' are not used, because "


def code(features: str) -> str:
    """The plugin, with one way to compute features."""
    return dedent(HEAD) + indent(features, " " * 8) + "\n"


@pytest.fixture
def write(site: Site) -> Callable[[str], None]:
    """Edit the code of the installed plugin; its revision and version stay the same."""
    site.install("means", code(MEAN))
    return lambda features: (site.folder / "means.py").write_text(code(features)) and None


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos", a=12, b=12)


@pytest.fixture
def command(stackkit: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`stackkit ARGUMENTS` in this process, with the code of the plugin as it is on the disk."""
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", "")  # which --plugin sets, restored after the test
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # its time stamps are too coarse for edits

    def fresh(*arguments: str | Path) -> Outcome:
        sys.modules.pop("means", None)
        importlib.invalidate_caches()
        source_digest.cache_clear()
        return stackkit(*arguments)

    return fresh


@pytest.fixture
def extract(command: Command, images: Path) -> Callable[..., Outcome]:
    def extracted(backbone: str = "mean") -> Outcome:
        outcome = command("extract", *chosen(images, backbone))
        assert outcome.code == 0, outcome.err
        return outcome

    return extracted


def stored_features(home: Path) -> list[np.ndarray]:
    """The features of every file, oldest file first."""
    found = []
    for entry in sorted(entries(home / "features"), key=lambda entry: entry.path.stat().st_ctime_ns):
        assert entry.contents
        key, rows = entry.contents.key, entry.contents.rows
        with FeatureStore(home / "features").open(key, rows, {}, create=False) as file:
            found.append(file.read())
    return found


class TestChanges:
    def test_the_same_code_reuses_its_features(self, write, extract):
        assert "24 images computed" in extract().out
        again = extract()
        assert "24 were stored already" in again.out
        assert "not used" not in again.err

    def test_edited_code_recomputes_and_says_why(self, write, home, extract):
        extract()
        write(DEVIATION)
        outcome = extract()
        assert "24 images computed" in outcome.out
        assert NOT_USED + "the code of means, or a package that it requires, has changed" in outcome.err
        before, after = stored_features(home)
        assert not np.allclose(before, after)

    def test_the_older_code_finds_its_features_again(self, write, extract):
        extract()
        write(DEVIATION)
        extract()
        write(MEAN)
        assert "24 were stored already" in extract().out

    def test_another_version_recomputes_and_says_why(self, site, extract):
        site.install("means", code(MEAN), version="1.0")
        extract()
        (site.folder / "means-1.0.dist-info").rename(site.folder / "means-1.1.dist-info")
        metadata = site.folder / "means-1.1.dist-info" / "METADATA"
        metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
        outcome = extract()
        assert "24 images computed" in outcome.out
        assert NOT_USED + "means changed from version 1.0 to 1.1" in outcome.err

    def test_an_option_that_the_revision_leaves_out_recomputes_and_says_why(self, write, home, extract):
        extract()
        outcome = extract("mean:gain=3")
        assert "24 images computed" in outcome.out
        assert "because they were computed with gain=1.0, not with gain=3.0" in outcome.err
        before, after = stored_features(home)
        assert np.allclose(3 * before, after)

    def test_options_about_the_machine_recompute_nothing(self, write, extract):
        extract()
        assert "24 were stored already" in extract("mean:threads=2").out

    def test_evaluate_says_why_features_are_missing(self, write, images, extract, command):
        extract()
        write(DEVIATION)
        error = command("evaluate", *chosen(images, "mean")).error
        assert error.startswith(NOT_USED)
        assert error.endswith("run `stackkit extract` first")

    def test_one_more_image_costs_one_row(self, write, images, extract):
        extract()
        photographs(images, c=1)
        assert "1 images computed, 24 were stored already" in extract().out

    def test_features_in_a_single_file_belong_to_its_content_and_changed_options(
        self, site, images, tmp_path, command
    ):
        file = tmp_path / "means.py"
        options = ["--plugin", str(file), "extract"]
        outcomes = []
        for text, backbone in (
            (MEAN, "mean"),
            (DEVIATION, "mean"),
            (MEAN, "mean:gain=3"),
            (MEAN, "mean"),
        ):
            file.write_text(code(text))
            outcomes.append(command(*options, *chosen(images, backbone)).out)
        assert ["24 images computed" in out for out in outcomes] == [True, True, True, False]


class TestRowIndependence:
    @pytest.mark.parametrize(
        ("features", "problem"),
        [
            (DROPOUT, "when computed again"),
            (BATCH, "in another batch"),
            (NEXT_IMAGE, "in another batch"),
        ],
        ids=["chance", "batch", "neighbour"],
    )
    def test_features_that_depend_on_other_images_or_chance_are_refused(
        self, features, problem, write, images, home, command
    ):
        write(features)
        outcome = command("extract", *chosen(images, "mean"))
        assert outcome.code == 7
        assert f"mean (from means) returns other features for the same image {problem}" in outcome.error
        assert "No features were stored" in outcome.error
        assert "stackkit check-plugin means" in outcome.error
        assert list(home.rglob("*.h5")) == []

    def test_a_refused_backbone_leaves_stored_features_alone(
        self, write, images, home, extract, command
    ):
        extract()
        write(BATCH)
        assert "No features were stored" in command("extract", *chosen(images, "mean")).error
        assert len(list(home.rglob("*.h5"))) == 1


def test_gc_removes_sidecar_files_of_older_versions(write, home, extract, command):
    extract()
    (file,) = home.glob("features/*/*.h5")
    sidecar = file.with_suffix(".vouched")
    sidecar.write_text('{"rows": "", "makers": []}')
    assert "24 were stored already" in extract().out
    assert command("features", "gc", "--older-than", "30d").code == 0
    assert (file.exists(), sidecar.exists()) == (True, False)
