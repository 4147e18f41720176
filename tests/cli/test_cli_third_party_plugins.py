"""Components of third-party plugins that violate their contract: each ends the run and is named."""

from pathlib import Path

import pytest
from support.commands import Command, chosen
from support.installing import Site

INVALID = """
    import numpy as np
    from PIL import Image
    from stackkit.api import *

    def specs(kind, *names):
        return [kind(name=name, summary="", factory=f"odd:{name}") for name in names]

    @hookimpl
    def stackkit_backbones():
        batch = (Option(name="batch_size", default=8, help=""),)
        twice = BackboneSpec(name="twice", summary="", factory="odd:twice", options=batch)
        return [twice, *specs(BackboneSpec, "exits", "untold", "unrevised")]

    @hookimpl
    def stackkit_learners():
        return specs(LearnerSpec, "nan", "ones", "column_of_labels")

    @hookimpl
    def stackkit_aggregators():
        return specs(AggregatorSpec, "one", "text", "far", "typo", "secretive", "raises")

    @hookimpl
    def stackkit_datasets():
        return specs(DatasetSpec, "doubles", "beyond", "grey", "printless", "noteless", "mixed")

    class twice:
        image_size, feature_dim, revision, trained = 8, 3, "1", True
        def __init__(self, batch_size=8): pass
        def extract(self, images): return images.mean(axis=(1, 2)).astype(np.float32)
    class exits(twice):
        def extract(self, images): raise SystemExit(0)
    class untold:
        image_size, feature_dim, revision = 8, 3, "1"
    class unrevised(twice):
        @property
        def revision(self): raise ValueError("no idea")

    class nan:
        def fit(self, X, y): self.classes_ = np.unique(y)
        def predict(self, X): return np.zeros(len(X), int)
        def predict_proba(self, X): return np.full((len(X), len(self.classes_)), np.nan)
    class ones(nan):
        def predict_proba(self, X): return np.ones((len(X), len(self.classes_)))
    class column_of_labels(nan):
        def predict(self, X): return np.zeros((len(X), 1), int)

    class one:
        fit_on = "in-sample"
        def fit(self, probabilities, labels): pass
        def predict(self, probabilities): return np.zeros(1, int)
    class text(one):
        def predict(self, probabilities): return np.array(["0"] * probabilities.shape[1])
    class far(one):
        def predict(self, probabilities): return np.full(probabilities.shape[1], 99)
    class typo(one):
        fit_on = "outoffold"
    class secretive:
        pass
    class raises(one):
        def fit(self, probabilities, labels): raise ValueError("out of luck")

    class mixed:
        classes, notes = ("a", "b"), ()
        samples = [Sample(id=f"s{i}", label=i % 2) for i in range(20)]
        def image(self, i):
            if i == 3: raise SyntaxError("broken PNG file")
            return Image.new("RGB", (8, 8), (i, 0, 0))
        def fingerprint(self, i): return f"{type(self).__name__}{i}"
    class doubles(mixed):
        samples = [Sample(id="s", label=i % 2) for i in range(20)]
    class beyond(mixed):
        samples = [Sample(id=f"s{i}", label=i % 3) for i in range(20)]
    class grey(mixed):
        def image(self, i): return Image.new("L", (8, 8))
    class printless(mixed):
        def fingerprint(self, i): return ""
    class noteless(mixed):
        @property
        def notes(self): raise KeyError("notes")
"""


@pytest.fixture
def odd(site: Site) -> Site:
    site.install("odd", INVALID)
    return site


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--backbones", "exits"), "exits (from odd) failed: SystemExit: 0"),
        (("--backbones", "untold"), "odd/untold (odd 1.0) failed: AttributeError"),
        (("--backbones", "unrevised"), "odd/unrevised (odd 1.0) failed: ValueError: no idea"),
        (
            ("--backbones", "twice,twice:batch_size=4"),
            "twice and twice:batch_size=4 have the same revision, '1', and count as the same features",
        ),
        (("--learner", "nan"), "odd/nan (from odd): predict_proba must return values from 0 to 1"),
        (("--learner", "ones"), "predict_proba must return rows that sum to 1, got sums from 3 to 3"),
        (("--learner", "column_of_labels"), "odd/column_of_labels"),
        (("--aggregator", "one"), "odd/one (from odd): predict must return integers of shape (6,), got"),
        (("--aggregator", "text"), "odd/text (from odd): predict must return integers of shape (6,)"),
        (
            ("--aggregator", "far"),
            "odd/far (from odd): predict must return labels from 0 to 2, got 99 to 99",
        ),
        (
            ("--aggregator", "typo"),
            "fit_on must be one of in-sample, out-of-fold, features, got 'outoffold'",
        ),
        (("--aggregator", "secretive"), "odd/secretive (odd 1.0) failed: AttributeError"),
        (("--aggregator", "raises"), "odd/raises (odd 1.0) failed: ValueError: out of luck"),
        (
            ("--dataset", "doubles"),
            "odd/doubles (odd 1.0) failed: ValueError: sample ids must be unique, "
            "got 1 different ids for 20 samples",
        ),
        (("--dataset", "beyond"), "labels must be from 0 to 1, got 0 to 2"),
        (
            ("--dataset", "grey"),
            "odd/grey (odd 1.0) failed: ValueError: image s0 must have mode RGB, got mode L",
        ),
        (
            ("--dataset", "printless"),
            "the fingerprint of s0 must be 1 to 64 ASCII characters, got 0 characters",
        ),
        (("--dataset", "noteless"), "odd/noteless (odd 1.0) failed: KeyError"),
    ],
)
def test_a_component_that_violates_its_contract_ends_the_run_and_is_named(
    options: tuple[str, str], said: str, odd: Site, stackkit: Command, bird_folder: Path
) -> None:
    arguments = [*chosen(bird_folder), *options]
    if options[0] in ("--backbones", "--dataset"):  # the last one given would not replace the first
        place = arguments.index(options[0])
        del arguments[place : place + 2]
    outcome = stackkit("run", *arguments, "--json")
    assert outcome.code not in (0, 1), "neither success nor an unexpected error"
    assert outcome.out == ""
    assert said in outcome.error


def test_one_image_that_a_plugin_cannot_decode_is_counted_and_the_run_continues(
    odd: Site, stackkit: Command
) -> None:
    outcome = stackkit("run", "--dataset", "mixed", "--backbones", "twice", "--json")
    assert outcome.code == 0
    assert outcome.document["failed_images"] == [{"id": "s3", "reason": "SyntaxError: broken PNG file"}]
    assert outcome.document["n_images"] == 19


def test_two_folders_with_the_same_relative_path_keep_their_features(
    stackkit: Command, bird_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = ("extract", "--dataset", "image-folder:root=photos", "--backbones", "colour-histogram")
    for project, species in (("one", slice(0, 2)), ("two", slice(1, 3))):
        (tmp_path / project / "photos").mkdir(parents=True)
        for folder in sorted(bird_folder.iterdir())[species]:
            (tmp_path / project / "photos" / folder.name).symlink_to(folder)
    for project in ("one", "two", "one"):
        monkeypatch.chdir(tmp_path / project)
        outcome = stackkit(*extract)
    assert "0 images computed, 12 were stored already" in outcome.out


def test_an_official_split_counts_only_the_images_it_uses(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    for number, part in enumerate(("train", "val", "test")):
        for folder in bird_folder.iterdir():
            (tmp_path / part / folder.name).mkdir(parents=True)
            for photograph in sorted(folder.iterdir())[2 * number : 2 * number + 2]:
                (tmp_path / part / folder.name / photograph.name).symlink_to(photograph)
    outcome = stackkit("run", *chosen(tmp_path), "--split", "official", "--json")
    assert outcome.document["n_images"] == 12
    assert outcome.document["folds"] == [{"train": 6, "test": 6}]
    assert any("6 image(s) are neither in the" in note for note in outcome.document["notes"])


def test_the_document_names_the_best_single_classifier_and_each_gain(
    stackkit: Command, bird_folder: Path
) -> None:
    outcome = stackkit("run", *chosen(bird_folder), "--json")
    singles = [r for r in outcome.document["results"] if r["kind"] != "aggregator"]
    best = max(r["accuracy"] for r in singles)
    assert outcome.document["best_single"]["name"] in {r["name"] for r in singles}
    for result in outcome.document["results"]:
        assert result["gain"] == result["accuracy"] - best


def test_folds_that_do_not_fit_a_column_are_listed_below_the_table(
    stackkit: Command, bird_folder: Path
) -> None:
    outcome = stackkit("run", *chosen(bird_folder), "--cv", "6", "--aggregator", "soft-vote")
    line = next(line for line in outcome.out.splitlines() if line.startswith("folds of soft-vote"))
    assert len(line.partition(":")[2].split()) == 6


def test_the_plan_comes_before_any_download(
    stackkit: Command, bird_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    outcome = stackkit("run", *chosen(bird_folder, "vgg19"))
    assert outcome.code == 5
    assert outcome.err.index("vgg19: 244x244 pixels -> 512 features") < outcome.err.index(
        "needs vgg19_w"
    )


def test_a_mistyped_name_leaves_no_folder_behind(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    assert stackkit("run", *chosen(bird_folder), "--aggregator", "soft-vot", "--out", out).code == 2
    assert not out.exists()
