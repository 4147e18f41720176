"""What is kept of every row: ranks and probabilities, calibrated on other images where there are any."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from stackkit.api.errors import PluginError
from stackkit.api.reporter import SilentReporter
from stackkit.api.specs import AggregatorSpec
from stackkit.evaluation.classifiers import check_classifiers
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.costs import FitSeconds
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.ladder import completed, references
from stackkit.evaluation.outcome_collector import OutcomeCollector
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.host.component import Component
from stackkit.host.host import Host, load_host
from stackkit.host.registry import Registry
from stackkit.model.fitting import StackFitting
from stackkit.recipe import Recipe, resolve
from stackkit.statistics.calibration import fit_calibration

OFFICIAL = [Fold(train=np.arange(0, 60), test=np.arange(60, 80))]


class Silent:
    """An aggregator that only answers."""

    fit_on = "in-sample"

    def fit(self, probabilities, labels):
        return self

    def predict(self, probabilities):
        return probabilities.mean(axis=0).argmax(axis=1)


class Tied(Silent):
    """An aggregator that calls all classes equally probable."""

    def predict_proba(self, probabilities):
        _, n, n_classes = probabilities.shape
        return np.full((n, n_classes), 1 / n_classes)


class Broken(Silent):
    """An aggregator that returns something else."""

    def predict_proba(self, probabilities):
        return np.zeros(3)


@pytest.fixture(scope="module")
def registry():
    own = load_host(environ={"STACKKIT_PLUGINS": ""})
    specs = [
        AggregatorSpec(name=kind.__name__.lower(), summary="", factory=f"{__name__}:{kind.__name__}")
        for kind in (Silent, Tied, Broken)
    ]
    extra = [Component(spec=spec, plugin="test", distribution="test", version="1") for spec in specs]
    return Registry(host=Host(plugins=own.plugins, components=(*own.components, *extra)))


@pytest.fixture(scope="module")
def blobs():
    """84 rows of 7 classes, and the features of two backbones."""
    random = np.random.default_rng(5)
    labels = random.permutation(np.repeat(np.arange(7), 12))
    X = 0.7 * random.normal(size=(7, 10))[labels] + random.normal(size=(84, 10))
    return X.astype(np.float32), labels


def logs(probabilities):
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), 1e-12))


def inner_seconds(folds):
    return sum(fold.by_fit[fit].seconds for fold in folds for fits in fold.planned.inner for fit in fits)


def make(registry, blobs, folds=None, labels=None, cache=None, **recipe):
    X, y = blobs
    y = y if labels is None else labels
    chosen = Recipe(dataset="mnist", **{"baselines": (), "jobs": 1, **recipe})
    return Comparison(
        fit_plan=FitPlan(
            classifiers=check_classifiers(resolve(chosen, registry)),
            features=[Features.from_matrix("four", X[:, :4]), Features.from_matrix("six", X[:, 4:])],
            labels=y,
            n_classes=7,
            inner_cv=3,
            seed=0,
        ),
        folds=folds
        or [
            Fold(train=np.delete(np.arange(84), np.arange(k, 84, 3)), test=np.arange(k, 84, 3))
            for k in range(3)
        ],
        scheduler=FitScheduler(cache=FitCache(cache), reporter=SilentReporter(), jobs=1),
    )


def collect(comparison, **settings):
    """Run a comparison; return its outcomes, all results with those of references, and the folds."""
    collector, seconds, folds = OutcomeCollector(comparison, **settings), FitSeconds(), []
    takers = (collector.add, seconds.add, folds.append)
    comparison = replace(comparison, on_fold=lambda outcome: [take(outcome) for take in takers])
    results = comparison.run()
    outcomes = collector.outcomes([f"{k}.png" for k in range(84)], ["f"] * 84, list("abcdefg"))
    results = completed(results, outcomes)
    everything = [*results, *references(comparison, outcomes, results)]
    return outcomes, everything, folds, seconds.seconds, collector.notes


def test_ranks_count_the_classes_that_are_more_probable(registry, blobs):
    outcomes, results, _, _, notes = collect(
        make(registry, blobs, aggregators=("silent", "tied", "average-svm"))
    )
    logistic, _, silent, tied, svm, chance, mean = outcomes.rows
    for said in (logistic, mean):
        assert np.array_equal(said.rank == 0, said.predicted == outcomes.true)
    assert silent.rank is silent.raw is silent.calibrated is None
    assert not tied.rank.any(), "no class is more probable than the true one"
    assert np.allclose(tied.raw.of_true, 1 / 7)
    assert svm.raw is None
    assert svm.rank.max() < 7
    assert (chance.rank, chance.raw) == (None, None)
    assert [each.top_5 is None for each in results] == [False] * 2 + [True] + [False] * 2 + [True, False]
    assert not notes
    fold = outcomes.true[outcomes.fold == 0]
    train = np.delete(blobs[1], np.arange(0, 84, 3))
    assert set(chance.predicted[outcomes.fold == 0]) == {np.bincount(train).argmax()}
    assert results[-2].fold_accuracy[0] == np.mean(fold == np.bincount(train).argmax())


def test_an_aggregator_that_returns_no_probabilities_from_predict_proba_is_named(registry, blobs):
    with pytest.raises(PluginError, match=r"test/broken.*predict_proba must return shape"):
        make(registry, blobs, aggregators=("broken",)).run()


def test_images_whose_class_no_training_image_has_do_not_change_the_temperature(registry, blobs):
    labels = blobs[1].copy()
    labels[labels == 6] = 5
    labels[0] = 6  # the only one, in the first fold
    with_it, _, folds, _, _ = collect(make(registry, blobs, labels=labels, aggregators=("soft-vote",)))
    scores = [logs(outcome.results[0].probabilities) for outcome in folds]
    true = [labels[outcome.fold.test] for outcome in folds]
    known = [np.concatenate([each[0][1:], each[1]]) for each in (scores, true)]
    expected = fit_calibration(*known).probabilities(scores[2])
    found = with_it.rows[0].calibrated.of_predicted[with_it.fold == 2]
    assert found == pytest.approx(expected.max(axis=1), abs=1e-6)
    assert with_it.rows[0].raw.of_true[0] == pytest.approx(1e-12)


def test_without_other_folds_out_of_fold_probabilities_of_the_training_part_calibrate(registry, blobs):
    only = make(registry, blobs, folds=OFFICIAL, aggregators=("geometric-vote",))
    assert all(row.calibrated is None for row in collect(only)[0].rows)
    both = ("geometric-vote", "weighted-vote")
    outcomes, results, folds, _, _ = collect(make(registry, blobs, folds=OFFICIAL, aggregators=both))
    inside, labels = folds[0].probabilities.out_of_fold, blobs[1][:60]
    for number, known in ((0, inside[0]), (1, inside[1]), (5, inside.mean(axis=0))):
        calibration = fit_calibration(logs(known), labels)
        raw = folds[0].probabilities.test[number] if number < 2 else folds[0].probabilities.test.mean(0)
        expected = softmax(logs(raw) / calibration.temperature, axis=1)
        found = outcomes.rows[number].calibrated
        assert found.of_true == pytest.approx(expected[np.arange(20), outcomes.true], abs=1e-6)
    assert [each.calibrated_ece is None for each in results] == [False] * 2 + [True] * 3 + [False]
    assert len(outcomes.ids) == 80, "images that are in no fold are left out"
    assert outcomes.image.tolist() == list(range(60, 80))
    assert np.isnan(outcomes.mean_probabilities[:60]).all()
    assert outcomes.mean_probabilities[60:] == pytest.approx(
        folds[0].probabilities.test.mean(axis=0), abs=1e-6
    )


def test_a_model_on_an_official_split_calibrates_its_row(registry, blobs):
    comparison = make(registry, blobs, folds=OFFICIAL, aggregators=("geometric-vote", "soft-vote"))
    chosen = comparison.fit_plan.classifiers.aggregators[0]
    fitting = StackFitting(chosen=chosen, official=True)
    collector = OutcomeCollector(comparison)
    prepared = fitting.prepared(replace(comparison, on_fold=collector.add))
    prepared.run()
    final = fitting.finish(prepared).out_of_fold
    found = fit_calibration(final.scores, final.labels)
    outcomes = collector.outcomes([""] * 84, [""] * 84, list("abcdefg"), {2: found})
    assert outcomes.rows[2].calibrated is not None
    assert outcomes.rows[3].calibrated is None


def test_too_many_classes_and_images_cost_calibrated_probabilities_only(registry, blobs):
    comparison = make(registry, blobs, aggregators=("geometric-vote",))
    whole, results, _, _, _ = collect(comparison, max_numbers=84 * 7 * 5)
    small, fewer, _, _, notes = collect(comparison, max_numbers=84 * 7 * 5 - 1)
    assert "Calibrated probabilities are not computed" in notes[0]
    assert whole.mean_probabilities is not None
    assert collect(comparison, max_numbers=83 * 7)[0].mean_probabilities is None
    for one, other in zip(whole.rows, small.rows, strict=True):
        assert other.calibrated is None
        assert np.array_equal(one.predicted, other.predicted)
    for one, other in zip(results, fewer, strict=True):
        assert replace(one, calibrated_log_loss=None, calibrated_ece=None) == other


def test_a_row_costs_all_fits_that_it_needs(registry, blobs, tmp_path):
    aggregators = ("geometric-vote", "weighted-vote", "concat")
    comparison = make(registry, blobs, cache=tmp_path, aggregators=aggregators)
    _, _, folds, seconds, _ = collect(comparison)
    of_learner = [sum(outcome.results[row].seconds for outcome in folds) for row in (0, 1)]
    above = [sum(outcome.results[row].seconds for outcome in folds) for row in (2, 3, 4)]
    below = sum(of_learner)
    assert seconds[:2] == pytest.approx(of_learner)
    assert seconds[2:5] == pytest.approx(
        [below + above[0], below + inner_seconds(folds) + above[1], above[2]]
    )
    assert seconds[5:] == pytest.approx([0, below])
    assert collect(comparison)[3] == seconds, "cached fits remember their time"
    old = min(tmp_path.rglob("*.npz"))
    with np.load(old) as file:
        arrays = {name: file[name] for name in file if name != "seconds"}
    np.savez(old, **arrays)
    assert None in collect(comparison)[3], "a file of an earlier version has no time"


def test_learners_of_inner_folds_that_answer_together_need_no_others(registry, blobs):
    comparison = make(registry, blobs, aggregators=("weighted-vote",))
    comparison = replace(comparison, fit_plan=replace(comparison.fit_plan, refit=False))
    _, _, folds, seconds, _ = collect(comparison)
    above = sum(outcome.results[2].seconds for outcome in folds)
    assert seconds[2] == pytest.approx(inner_seconds(folds) + above)
