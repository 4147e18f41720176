"""Several learners in one run: each of them on every backbone is a base learner, and all are stacked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.making import blobs

from stackkit.api.errors import UsageError
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.classifiers import check_classifiers
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import stratified_folds
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, resolve
from stackkit.report.predictions import Predictions
from stackkit.report.probability_file import probability_file

X, LABELS = blobs()
LABELS = (LABELS - 1) // 3
BASE_LEARNERS = ["logistic on a", "logistic on b", "lda on a", "lda on b"]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(host=load_host(environ={"STACKKIT_PLUGINS": ""}))


def compare(
    registry: Registry,
    folder: Path | None = None,
    on_fold: Callable[[FoldOutcome], None] = lambda outcome: None,
    **fields: Any,
) -> Comparison:
    """Logistic regression and LDA on two backbones, in two folds."""
    recipe = Recipe(dataset="mnist", **{"learners": ("logistic", "lda"), **fields})
    return Comparison(
        fit_plan=FitPlan(
            classifiers=check_classifiers(resolve(recipe, registry)),
            features=[Features.from_matrix("a", X[:, :6]), Features.from_matrix("b", X[:, 6:])],
            labels=LABELS,
            n_classes=3,
            inner_cv=2,
            seed=0,
        ),
        folds=stratified_folds(LABELS, "abc", 2, shuffle=False, seed=0),
        scheduler=FitScheduler(cache=FitCache(folder), reporter=SilentReporter(), jobs=1),
        on_fold=on_fold,
    )


def test_every_learner_on_every_backbone_feeds_the_stack(registry):
    aggregators = ("soft-vote", "stacked-logistic", "concat")
    comparison = compare(registry, aggregators=aggregators, baselines=("lda", "linear-svm"))
    results = comparison.run()
    assert [(r.name, r.kind, r.backbones, r.learners) for r in results] == [
        *[("lda", "baseline", (on,), ()) for on in "ab"],
        *[("linear-svm", "baseline", (on,), ()) for on in "ab"],
        *[("logistic", "learner", (on,), ()) for on in "ab"],
        *[("lda", "learner", (on,), ()) for on in "ab"],
        ("soft-vote", "aggregator", ("a", "b"), ("logistic", "lda")),
        ("stacked-logistic", "aggregator", ("a", "b"), ("logistic", "lda")),
        ("concat with logistic", "aggregator", ("a", "b"), ("logistic",)),
        ("concat with lda", "aggregator", ("a", "b"), ("lda",)),
    ]
    assert [r.fold_accuracy for r in results[:2]] == [r.fold_accuracy for r in results[6:8]]
    assert len([r for r in results if r.gain_interval_95 is None]) == 1
    # The stack is the mean of all four base learners, computed by hand.
    fold = comparison.folds[0]
    by_hand = [
        registry.one("learner", name).create().fit(X[fold.train][:, part], LABELS[fold.train])
        for name in ("logistic", "lda")
        for part in (slice(0, 6), slice(6, 16))
    ]
    parts = [X[fold.test][:, part] for part in (slice(0, 6), slice(6, 16))] * 2
    means = np.mean([m.predict_proba(p) for m, p in zip(by_hand, parts, strict=True)], axis=0)
    hits = np.mean(means.argmax(axis=1) == LABELS[fold.test])
    assert results[8].fold_accuracy[0] == pytest.approx(hits, abs=0.02)


def test_one_learner_has_the_names_and_the_cached_fits_that_it_has_beside_others(registry, tmp_path):
    aggregators = ("soft-vote", "concat")
    alone = compare(registry, tmp_path, learners=("logistic",), aggregators=aggregators).run()
    assert [r.name for r in alone[-2:]] == ["soft-vote", "concat"]
    fits = {path.name for path in tmp_path.rglob("*.npz")}
    both = compare(registry, tmp_path, aggregators=aggregators).run()
    files = {path.name for path in tmp_path.rglob("*.npz")}
    assert fits < files
    # Per fold: LDA on two backbones and on both side by side, and the vote of all four.
    assert len(files - fits) == 2 * (2 + 1 + 1)
    assert both[2].fold_accuracy == alone[2].fold_accuracy


def test_files_name_the_base_learners(registry, tmp_path):
    predictions, ids = Predictions(), [f"image-{row}" for row in range(len(LABELS))]
    predictions.begin(ids, LABELS, "abc", 2)
    with probability_file(tmp_path, print) as file:
        assert file is not None
        file.begin(ids, LABELS, "abc", ["a", "b"], ["logistic", "lda"])

        def on_fold(outcome: FoldOutcome) -> None:
            predictions.add(outcome)
            file.add(outcome)

        aggregators = ("stacked-logistic", "concat")
        compare(registry, on_fold=on_fold, aggregators=aggregators, baselines=()).run()
    predictions.write(tmp_path)
    head = (tmp_path / "predictions.csv").read_text().splitlines()[0].split(",")
    assert [title.removesuffix(": prediction") for title in head[4::2]] == [
        *BASE_LEARNERS,
        "stacked-logistic on all 2 x 2 learners",
        "concat with logistic on all 2",
        "concat with lda on all 2",
    ]
    with h5py.File(tmp_path / "probabilities.h5") as written:
        assert written.attrs["learner"] == "logistic, lda"
        assert list(written.attrs["base_learners"]) == BASE_LEARNERS
        fold = written["fold_0"]
        assert fold["test"].shape == (4, len(fold["test_rows"]), 3)
        assert fold["out_of_fold"].shape == (4, len(fold["train_rows"]), 3)
        assert fold["predicted/005"].attrs["classifier"] == "concat with logistic"


def test_learners_are_checked_before_anything_is_computed(registry):
    with pytest.raises(UsageError, match="soft-vote needs probabilities, which learner linear-svm does"):
        compare(registry, learners=("logistic", "linear-svm"), aggregators=("soft-vote",))
    with pytest.raises(UsageError, match="a recipe needs at least one learner"):
        compare(registry, learners=())
    listed = resolve(Recipe(dataset="mnist", learners=("logistic,lda:shrinkage=1", "lda")), registry)
    assert [one.text for one in listed.learners] == ["logistic", "lda:shrinkage=1.0", "lda"]
