"""Compare two ways of stacking on the same features and folds.

    python benchmarks/stacking.py                              synthetic features of the size of CUB
    python benchmarks/stacking.py --store DIR                  real features from a feature store
    python benchmarks/stacking.py --images 2000 --classes 50   a smaller problem
    python benchmarks/stacking.py --plot cost.svg              CPU time as each size of the problem grows

Both ways compute the same four results: LinearSVC on one backbone, mlxtend's StackingClassifier
(averaged probabilities into LinearSVC), soft voting, and the same SVM on averages of out-of-fold
probabilities.

(a) mlxtend, scikit-learn's VotingClassifier and cross_val_predict on concatenated matrices, one
result after the other.
(b) stackkit.

Settings: `default` uses scikit-learn's defaults, and both ways must predict the same labels;
`optimum` uses a tolerance of 1e-6, where stackkit uses its own solver of the same convex problem.

The ways take turns, each in a separate process. Times are those of whole processes, including imports
and reading. Nothing is cached between runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTHS = (512, 2048, 2048, 2048)
IMAGES, CLASSES = 11_788, 200
INNER = 3
RESULTS = ("linear-svm", "average-svm", "soft-vote", "average-svm out-of-fold")

Labels = NDArray[np.int64]
Predictions = dict[str, list[Labels]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run: wall and CPU time in s, peak resident memory in bytes, labels of all folds per result."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    predicted: dict[str, Labels]


@dataclass(frozen=True, kw_only=True)
class Data:
    """A folder with one matrix (n, d) float32 per backbone, and the labels (n,)."""

    folder: Path

    @property
    def matrices(self) -> list[NDArray[np.float32]]:
        """Memory-mapped features."""
        return [np.load(path, mmap_mode="r") for path in sorted(self.folder.glob("features-*.npy"))]

    @property
    def labels(self) -> Labels:
        """Class of each image."""
        labels: Labels = np.load(self.folder / "labels.npy")
        return labels

    def keep(self, matrices: Sequence[NDArray[np.float32]], labels: Labels) -> Data:
        """Write features and labels, and remove earlier ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("*.npy"):
            old.unlink()
        for number, matrix in enumerate(matrices):
            np.save(self.folder / f"features-{number:02}.npy", matrix)
        np.save(self.folder / "labels.npy", labels)
        return self


@dataclass(frozen=True, kw_only=True)
class Components:
    """Components for stackkit: the SVM on one backbone, the learner to stack, and three aggregators."""

    svm: str
    learner: str
    aggregators: tuple[str, ...]


TIGHT = "tol=1e-6,max_iter=100000"
SETTINGS = {
    "default": Components(
        svm="linear-svm",
        learner="logistic",
        aggregators=("average-svm", "soft-vote", "average-svm:fit_on=out-of-fold"),
    ),
    "optimum": Components(
        svm=f"linear-svm:{TIGHT}",
        learner="logistic:solver=batched,tol=1e-3",  # proven within 1e-6 of the minimum
        aggregators=(
            f"average-svm:{TIGHT}",
            "soft-vote",
            f"average-svm:fit_on=out-of-fold,{TIGHT}",
        ),
    ),
}


def main() -> None:
    """Measure and print tables."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="stackkit-benchmark-") as scratch:
        data = Data(folder=Path(scratch) / "data")
        if options.plot:
            plot(data, options.plot)
            return
        if options.store:
            data = stored(data, options.store)
        else:
            widths = [int(width) for width in options.widths.split(",")]
            data = synthetic(data, options.images, options.classes, widths)
        sizes = ", ".join(str(matrix.shape[1]) for matrix in data.matrices)
        classes = len(np.unique(data.labels))
        print(
            f"{len(data.labels)} images, {classes} classes, features {sizes}; "
            f"{options.folds} of 3 folds, {options.rounds} rounds, {os.cpu_count()} cores"
        )
        for setting in options.settings.split(","):
            compare(data, setting, options.folds, options.rounds)
        if options.objective:
            print_objectives(data)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, help="feature store with the files of one dataset")
    parser.add_argument("--images", type=int, default=IMAGES, help="number of synthetic images")
    parser.add_argument("--classes", type=int, default=CLASSES, help="number of synthetic classes")
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)), help="features per backbone")
    parser.add_argument("--folds", type=int, default=3, help="number of folds to compute, 1 to 3")
    parser.add_argument("--rounds", type=int, default=1, help="number of runs of each way")
    parser.add_argument("--settings", default="default,optimum", help="settings to compare")
    parser.add_argument("--objective", action="store_true", help="also compare objectives of fits")
    parser.add_argument("--plot", type=Path, help="only plot CPU time of (b) to this file")
    return parser.parse_args()


def synthetic(data: Data, images: int, classes: int, widths: Sequence[int]) -> Data:
    """Create features that resemble pooled ones: rectified mixtures of factors with class means."""
    random = np.random.default_rng(0)
    labels = np.sort(np.arange(images) % classes)
    matrices = []
    for width in widths:
        rank = min(256, width)
        strength = 1 / np.sqrt(1 + np.arange(rank))
        centres = random.normal(size=(classes, rank)).astype(np.float32)
        factors = 0.33 * centres[labels] + random.normal(size=(images, rank)).astype(np.float32)
        mixing = (strength[:, None] * random.normal(size=(rank, width))).astype(np.float32)
        noise = 0.3 * random.normal(size=(images, width)).astype(np.float32)
        matrices.append(np.maximum(0.5 * (factors @ mixing) + noise + 0.2, 0).astype(np.float32))
    return data.keep(matrices, labels)


def stored(data: Data, store: Path) -> Data:
    """Read the features of all files of a store; keep rows that are intact in each of them."""
    from stackkit.store.catalogue import entries
    from stackkit.store.file import FeatureFile
    from stackkit.store.metadata import read_contents

    matrices, intact = [], []
    for entry in sorted(entries(store), key=lambda entry: str(entry.path)):
        contents = read_contents(entry.path)
        with FeatureFile(entry.path, contents, writable=False) as file:
            matrices.append(file.read())
            intact.append(file.intact())
        print(f"{contents.key.name}: {len(matrices[-1])} images")
    kept = np.flatnonzero(np.all(intact, axis=0))
    labels = np.array([sample.label for sample in contents.rows.samples])[kept]
    return data.keep([matrix[kept] for matrix in matrices], labels)


def compare(data: Data, setting: str, folds: int, rounds: int) -> None:
    """Run both ways in turn; print time, ratio, memory and agreement of the labels."""
    ways: dict[str, list[Outcome]] = {"a": [], "b": []}
    for _ in range(rounds):
        for way, runs in ways.items():
            runs.append(run(way, data, setting, folds))
    print(f"\nsettings: {setting}\nway   seconds (range)          peak memory")
    for way, runs in ways.items():
        seconds = sorted(run.seconds for run in runs)
        span = f"{statistics.median(seconds):.1f} ({seconds[0]:.1f} to {seconds[-1]:.1f})"
        print(f"({way})   {span:<23}  {max(run.peak_bytes for run in runs) / 1e9:.2f} GB")
    ratios = [a.seconds / b.seconds for a, b in zip(ways["a"], ways["b"], strict=True)]
    memory = max(r.peak_bytes for r in ways["b"]) / max(r.peak_bytes for r in ways["a"])
    print(f"a/b   {statistics.median(ratios):.2f} times faster, {memory:.2f} of the memory")
    print(f"{'result':<26}{'accuracy (a)':>14}{'(b)':>8}   same labels")
    truth = np.concatenate([data.labels[test] for _, test in splits(data.labels, folds)])
    for name in RESULTS:
        found = [ways[way][-1].predicted[name] for way in ("a", "b")]
        accuracies = [100 * np.mean(labels == truth) for labels in found]
        alike = 100 * np.mean(found[0] == found[1])
        print(f"{name:<26}{accuracies[0]:>14.2f}{accuracies[1]:>8.2f}   {alike:.2f} %", flush=True)


def run(way: str, data: Data, setting: str, folds: int, more: Sequence[str] = ()) -> Outcome:
    """Run one way in a separate process; (b) also computes the aggregators `more`."""
    out = data.folder / "predicted.npz"
    work = {"way": way, "data": str(data.folder), "setting": setting, "folds": folds, "out": str(out)}
    work["more"] = list(more)
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--work", json.dumps(work)])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"({way}) failed")
    with np.load(out) as predicted:
        # Linux reports ru_maxrss in KiB, macOS in bytes.
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Outcome(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_bytes=peak,
            predicted=dict(predicted),
        )


def splits(labels: Labels, folds: int) -> Iterator[tuple[Labels, Labels]]:
    """Yield training and test rows of the first of the three folds of the recipe."""
    from sklearn.model_selection import StratifiedKFold

    for number, rows in enumerate(StratifiedKFold(3).split(np.zeros(len(labels)), labels)):
        if number < folds:
            yield rows


def plain(data: Data, setting: str, folds: int, more: Sequence[str]) -> Predictions:
    """Run (a): what a careful user of mlxtend and scikit-learn writes."""
    from mlxtend.classifier import StackingClassifier
    from mlxtend.feature_selection import ColumnSelector
    from sklearn.base import BaseEstimator, ClassifierMixin, clone
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    from stackkit.evaluation.folds import inner_folds

    tight = setting == "optimum"
    svm = LinearSVC(dual=True, random_state=0, **({"tol": 1e-6, "max_iter": 100_000} if tight else {}))
    logistic = LogisticRegression(**({"tol": 1e-6, "max_iter": 10_000} if tight else {}))
    X, y = np.hstack(data.matrices), data.labels
    edges = np.cumsum([0, *(matrix.shape[1] for matrix in data.matrices)]).tolist()
    columns = [tuple(range(*pair)) for pair in pairwise(edges)]
    learners = [make_pipeline(ColumnSelector(part), logistic) for part in columns]

    class OutOfFoldStack(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """scikit-learn's StackingClassifier with averaged probabilities, as in the recipe."""

        def fit(self, X: Any, y: Any) -> Any:
            parts = [(fold.train, fold.test) for fold in inner_folds(y, INNER, seed=0)]
            known = [
                cross_val_predict(learner, X, y, cv=parts, method="predict_proba")
                for learner in learners
            ]
            self.learners_ = [clone(learner).fit(X, y) for learner in learners]
            self.svm_ = clone(svm).fit(np.mean(known, axis=0), y)
            return self

        def predict(self, X: Any) -> Any:
            new = [learner.predict_proba(X) for learner in self.learners_]
            return self.svm_.predict(np.mean(new, axis=0))

    classifiers = (
        make_pipeline(ColumnSelector(columns[min(1, len(columns) - 1)]), svm),
        StackingClassifier(learners, meta_classifier=svm, use_probas=True, average_probas=True),
        VotingClassifier([(str(i), learner) for i, learner in enumerate(learners)], voting="soft"),
        OutOfFoldStack(),
    )
    rows = list(splits(y, folds))
    return {
        name: [clone(one).fit(X[train], y[train]).predict(X[test]) for train, test in rows]
        for name, one in zip(RESULTS, classifiers, strict=True)
    }


def ours(data: Data, setting: str, folds: int, more: Sequence[str]) -> Predictions:
    """Run (b): the code of `stackkit evaluate`, on matrices instead of a store."""
    from stackkit.api.reporter import SilentReporter
    from stackkit.evaluation.classifiers import check_classifiers
    from stackkit.evaluation.comparison import Comparison, FoldOutcome
    from stackkit.evaluation.features import Features
    from stackkit.evaluation.fit_cache import FitCache
    from stackkit.evaluation.fit_plan import FitPlan
    from stackkit.evaluation.folds import Fold
    from stackkit.evaluation.scheduler import FitScheduler
    from stackkit.host.host import load_host
    from stackkit.host.registry import Registry
    from stackkit.recipe import Recipe, resolve

    components = SETTINGS[setting]
    features = [Features.from_matrix(str(i), matrix) for i, matrix in enumerate(data.matrices)]
    one = features[min(1, len(features) - 1)]
    found: Predictions = {name: [] for name in RESULTS}

    def comparison(
        features: list[Features], learner: str, chosen: tuple[str, ...], names: Sequence[str]
    ) -> Comparison:
        def on_fold(outcome: FoldOutcome) -> None:
            stacked = outcome.results[-len(chosen) :] if chosen else outcome.results
            for name, result in zip(names, stacked, strict=False):
                found[name].append(result.labels)

        recipe = Recipe(dataset="mnist", learners=(learner,), baselines=(), aggregators=chosen)
        return Comparison(
            fit_plan=FitPlan(
                classifiers=check_classifiers(resolve(recipe, Registry(host=load_host()))),
                features=features,
                labels=data.labels,
                n_classes=int(data.labels.max()) + 1,
                inner_cv=INNER,
                seed=0,
            ),
            folds=[Fold(train=train, test=test) for train, test in splits(data.labels, folds)],
            scheduler=FitScheduler(cache=FitCache(None), reporter=SilentReporter()),
            on_fold=on_fold,
        )

    comparison([one], components.svm, (), RESULTS[:1]).run()
    comparison(features, components.learner, (*components.aggregators, *more), RESULTS[1:]).run()
    return found


def print_objectives(data: Data) -> None:
    """Print how far single fits of one backbone are above the smallest objective of all fits."""
    from sklearn.linear_model import LogisticRegression

    from stackkit.host.host import load_host
    from stackkit.host.registry import Registry

    registry = Registry(host=load_host())
    (train, test), *_ = splits(data.labels, 1)
    matrix = data.matrices[min(1, len(data.matrices) - 1)]
    X, y, new = np.asfortranarray(matrix[train]), data.labels[train], np.asfortranarray(matrix[test])
    makers: dict[str, Callable[[], Any]] = {
        "scikit-learn, defaults": LogisticRegression,
        "scikit-learn, tol=1e-6": lambda: LogisticRegression(tol=1e-6, max_iter=10_000),
        "stackkit, solver=batched": lambda: registry.one(
            "learner", SETTINGS["optimum"].learner
        ).create(),
    }
    rows = []
    for name, make in makers.items():
        start = time.perf_counter()
        learner = make().fit(X, y)
        seconds = time.perf_counter() - start
        rows.append((name, seconds, objective(learner, X, y), learner.predict(new)))
    least, best = min((value, number) for number, (_, _, value, _) in enumerate(rows))
    print(f"\nmultinomial logistic regression, {X.shape[0]} x {X.shape[1]}, alone on this machine")
    print(f"{'fit':<28}{'seconds':>8}{'above the smallest objective':>30}   labels as the best fit")
    for name, seconds, value, predicted in rows:
        alike = 100 * np.mean(predicted == rows[best][3])
        print(f"{name:<28}{seconds:>8.1f}{value / least - 1:>30.1e}   {alike:.2f} %")


def objective(learner: Any, X: NDArray[np.float32], y: Labels) -> float:
    """Return the summed log-loss plus half the squared norm of the coefficients, in float64."""
    total = 0.0
    coefficients, constants = learner.coef_.astype(np.float64), learner.intercept_.astype(np.float64)
    columns = np.searchsorted(learner.classes_, y)
    for start in range(0, len(X), 512):
        part = slice(start, start + 512)
        scores = X[part].astype(np.float64) @ coefficients.T + constants
        most = scores.max(axis=1)
        logs = most + np.log(np.exp(scores - most[:, None]).sum(axis=1))
        total += float((logs - scores[np.arange(len(scores)), columns[part]]).sum())
    return total + 0.5 * float((coefficients**2).sum())


MORE = ("geometric-vote", "weighted-vote", "stacked-logistic", "ensemble-selection")
MIDDLE: dict[str, int] = {"images": 2000, "width": 512, "classes": 40, "backbones": 3, "aggregators": 3}
GROWN = {
    "images": (1000, 2000, 4000, 8000),
    "width": (256, 512, 1024, 2048),
    "classes": (10, 20, 40, 80),
    "backbones": (1, 2, 4, 8),
    "aggregators": (3, 5, 7),
}
"""Values of each size of the problem, while the other sizes are those of MIDDLE."""


def plot(data: Data, path: Path) -> None:
    """Plot CPU seconds of (b) with scikit-learn's defaults, one fold, as each size grows."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(GROWN), figsize=(14, 3), layout="constrained")
    for axis, (name, values) in zip(axes, GROWN.items(), strict=True):
        seconds = []
        for value in values:
            sizes = {**MIDDLE, name: value}
            widths = [sizes["width"]] * sizes["backbones"]
            synthetic(data, sizes["images"], sizes["classes"], widths)
            seconds.append(run("b", data, "default", 1, MORE[: sizes["aggregators"] - 3]).cpu_seconds)
            print(f"{name} {value}: {seconds[-1]:.1f} CPU seconds", flush=True)
        axis.plot(values, seconds, marker="o")
        axis.set_xlabel(name)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("CPU seconds")
    figure.savefig(path, metadata={"Date": None})


def work(order: dict[str, Any]) -> None:
    """Run one way in this process and save the predicted labels."""
    way = {"a": plain, "b": ours}[order["way"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the defaults stop early, which --objective measures
        found = way(Data(folder=Path(order["data"])), order["setting"], order["folds"], order["more"])
    np.savez(order["out"], **{name: np.concatenate(labels) for name, labels in found.items()})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(json.loads(sys.argv[2]))
    else:
        main()
