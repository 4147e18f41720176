"""The figures of a real run are those that scikit-learn computes from the files that it writes."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    top_k_accuracy_score,
)
from support.models import small_registry

from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.outcomes import Outcomes
from stackkit.experiment.evaluation import Evaluation, Outputs
from stackkit.experiment.run import Steps, carry_out
from stackkit.extraction.network_seconds import FILE_NAME
from stackkit.recipe import Recipe
from stackkit.report.report import Report
from stackkit.store import FeatureStore

N, CLASSES, FOLDS, REPEATS = 42, 7, 3, 2
ROWS = ["linear-svm", "linear-svm", "logistic", "logistic", "geometric-vote", "average-svm", "concat"]


@dataclass
class Run:
    """A run in `folder`, and its store."""

    report: Report
    evaluation: Evaluation
    folder: Path
    store: FeatureStore

    @property
    def outcomes(self) -> Outcomes:
        return self.evaluation.outcomes

    def probabilities(self) -> np.ndarray:
        """Of the base learners, in the order of the outcomes, as probabilities.h5 has them."""
        found = np.empty((2, REPEATS, N, CLASSES))
        with h5py.File(self.folder / "probabilities.h5") as file:
            for number in range(FOLDS * REPEATS):
                group = file[f"fold_{number}"]
                found[:, number // FOLDS, group["test_rows"][:]] = group["test"][:]
        return found.reshape(2, REPEATS * N, CLASSES)


@pytest.fixture(scope="module")
def photographs(cub_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 species with 6 real photographs each, made small."""
    root = tmp_path_factory.mktemp("species")
    for species in sorted((cub_root / "images").iterdir())[:CLASSES]:
        (root / species.name).mkdir()
        for photograph in sorted(species.iterdir())[: N // CLASSES]:
            with Image.open(photograph) as image:
                image.thumbnail((48, 48))
                image.convert("RGB").save(root / species.name / photograph.name)
    return root


def ran(photographs: Path, folder: Path, **changed: object) -> Run:
    settings = {
        "baselines": ("linear-svm",),
        "learners": ("logistic:C=100",),
        "aggregators": tuple(ROWS[4:]),
        "shuffle": True,
        "repeats": REPEATS,
        **changed,
    }
    recipe = Recipe(
        dataset=f"image-folder:root={photographs}",
        backbones=("mean-colours", "colour-shares"),
        **settings,
    )
    store = FeatureStore(folder / "features")
    outputs = Outputs(fits=folder / "fits", folder=folder)
    found = carry_out(recipe, small_registry(), store, SilentReporter(), Steps(outputs=outputs))
    found.evaluation.predictions.write(folder)
    return Run(report=found.report, evaluation=found.evaluation, folder=folder, store=store)


@pytest.fixture(scope="module")
def run(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return ran(photographs, tmp_path_factory.mktemp("run"))


def rows_of(path: Path) -> list[dict[str, str]]:
    with (path / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: (int(row["repeat"]), row["id"]))


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Equation 3 of Guo et al. (2017), bin by bin."""
    gaps = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15 + 1e-12)
        if inside.any():
            gaps += inside.sum() * abs(correct[inside].mean() - confidence[inside].mean())
    return gaps / len(confidence)


def calibrated(scores: np.ndarray, outcomes: Outcomes) -> np.ndarray:
    """Probabilities of each fold, with the best temperature of the other folds of the same repeat."""
    found = np.empty_like(scores)
    for repeat in range(REPEATS):
        for fold in range(FOLDS):
            same = outcomes.repeat == repeat
            own, others = same & (outcomes.fold == fold), same & (outcomes.fold != fold)
            labels, targets = outcomes.true[others], np.full((others.sum(), CLASSES), 0.0)
            spread = 1 / (len(labels) + 2)
            targets += spread / CLASSES
            targets[np.arange(len(labels)), labels] += 1 - spread

            def loss(logarithm: np.ndarray, targets=targets, known=scores[others]) -> float:
                return -(targets * log_softmax(known / np.exp(logarithm[0]), axis=1)).sum(axis=1).mean()

            best = minimize(loss, [0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
            found[own] = np.exp(log_softmax(scores[own] / np.exp(best.x[0]), axis=1))
    return found


def test_predictions_are_those_of_the_csv_file(run):
    outcomes, rows = run.outcomes, rows_of(run.folder)
    assert [outcomes.ids[k] for k in outcomes.image] == [row["id"] for row in rows]
    assert [outcomes.classes[k] for k in outcomes.true] == [row["label"] for row in rows]
    for name, numbers in (("fold", outcomes.fold), ("repeat", outcomes.repeat)):
        assert [int(row[name]) for row in rows] == (numbers + 1).tolist()
    titles = [title for title in rows[0] if title.endswith(": prediction")]
    assert len(titles) == len(ROWS) == len(run.report.results)
    for title, said in zip(titles, outcomes.rows[: len(ROWS)], strict=True):
        assert [outcomes.classes[k] for k in said.predicted] == [row[title] for row in rows], title
    assert len(outcomes.fingerprints) == N
    assert outcomes.groups is None


def test_figures_of_labels_are_those_of_scikit_learn(run):
    true = run.outcomes.true
    everything = (*run.report.results, *run.report.references)
    assert [each.name.partition(":")[0] for each in everything] == [*ROWS, "largest class", "plain mean"]
    for result, said in zip(everything, run.outcomes.rows, strict=True):
        assert result.accuracy == pytest.approx(accuracy_score(true, said.predicted))
        assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, said.predicted))
        assert result.macro_f1 == pytest.approx(f1_score(true, said.predicted, average="macro"))
        assert len(result.fold_accuracy) == FOLDS * REPEATS


def test_figures_of_probabilities_are_those_of_scikit_learn(run):
    learners = run.probabilities()
    geometric = np.exp(np.log(np.maximum(learners, 1e-12)).mean(axis=0))
    geometric /= geometric.sum(axis=1, keepdims=True)
    expected = {2: learners[0], 3: learners[1], 4: geometric, 8: learners.mean(axis=0)}
    everything = (*run.report.results, *run.report.references)
    true = run.outcomes.true
    for number, probabilities in expected.items():
        result, predicted = everything[number], run.outcomes.rows[number].predicted
        assert np.array_equal(probabilities.argmax(axis=1), predicted)
        correct = predicted == true
        normalised = probabilities / probabilities.sum(axis=1, keepdims=True)
        assert result.top_5 == top_k_accuracy_score(true, probabilities, k=5, labels=range(CLASSES))
        assert result.log_loss == pytest.approx(
            log_loss(true, normalised, labels=range(CLASSES)), rel=1e-6
        )
        confidence = probabilities.max(axis=1)
        assert result.ece == pytest.approx(calibration_error(confidence, correct), abs=1e-6)
        after = calibrated(np.log(np.maximum(probabilities, 1e-12)), run.outcomes)
        assert result.calibrated_log_loss == pytest.approx(log_loss(true, after), abs=1e-4)
        found = run.outcomes.rows[number].calibrated
        assert found.of_predicted == pytest.approx(after.max(axis=1), abs=1e-3)
    assert run.outcomes.mean_probabilities == pytest.approx(expected[8][:N], abs=1e-6)


def test_decision_values_are_no_probabilities_until_they_are_calibrated(run):
    for name in ("average-svm", "linear-svm"):
        result = next(each for each in run.report.results if each.name == name)
        assert (result.log_loss, result.ece) == (None, None)
    svm = run.report.results[5]
    assert 0 < svm.calibrated_log_loss < np.log(CLASSES)
    assert svm.top_5 > svm.accuracy
    assert run.report.results[0].top_5 is None, "a baseline without probabilities does not order classes"


def test_references_have_a_gain_and_are_no_rows_of_the_table(run):
    document = run.report.document()
    chance, mean = document["references"]
    assert (chance["kind"], chance["backbones"], chance["fit_on"]) == ("reference", [], None)
    assert mean["backbones"] == ["mean-colours", "colour-shares"]
    best = max(each["accuracy"] for each in document["results"][:4])
    for each in (chance, mean):
        assert each["gain"] == pytest.approx(each["accuracy"] - best)
        low, high = each["gain_interval_95"]
        assert low <= each["gain"] <= high
    assert len(document["costs"]) == len(document["results"]) + 2


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"aggregators": ("soft-vote",)}, ["largest class"]),
        ({"learners": ("linear-svm",), "aggregators": ()}, ["largest class"]),
        ({"aggregators": ()}, ["largest class", "plain mean"]),
    ],
)
def test_the_plain_mean_is_there_once_and_needs_no_aggregator(photographs, tmp_path, changed, names):
    found = ran(photographs, tmp_path, repeats=1, **changed)
    assert [each.name for each in found.report.references] == names
    assert (found.outcomes.mean_probabilities is None) == ("linear-svm" in changed.get("learners", ()))


def test_costs_are_measured_once_and_remembered(photographs, run):
    again = ran(photographs, run.folder)
    assert again.report.costs == run.report.costs, "the second run fits and extracts nothing"
    fit = [each.fit_s for each in run.report.costs]
    network = [each.network_s for each in run.report.costs]
    assert fit[4] >= fit[2] + fit[3], "an aggregator needs its learners"
    assert fit[8] == pytest.approx(fit[2] + fit[3], abs=2e-3)
    assert fit[6] > 0
    assert network[4] == pytest.approx(network[0] + network[1], abs=2e-3)
    assert (fit[7], network[7]) == (0, 0), "chance is free"
    for name in ("results", "references", "notes"):
        assert getattr(again.report, name) == getattr(run.report, name)
    for field in fields(Outcomes):
        one, other = (getattr(each.outcomes, field.name) for each in (run, again))
        assert str(one) == str(other), field.name


def test_unknown_costs_are_not_guessed(photographs, run, tmp_path):
    log = run.store.folder / FILE_NAME
    whole = log.read_text()
    lines = whole.splitlines()
    log.write_text("\n".join(['["x.h5", 1]', "{", *lines[:-1]]))
    try:
        network = [each.network_s for each in ran(photographs, run.folder).report.costs]
    finally:
        log.write_text(whole)
    assert [each is None for each in network] == [False, True] * 2 + [True] * 3 + [False, True]
