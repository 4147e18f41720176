"""Change some labels of real images at random, and measure how many of them an audit finds.

    python benchmarks/label_noise.py DATA [--fraction 0.05] [--seeds 5] [--folds 3] [--store FOLDER]

DATA has CUB_200_2011. Features are those of three EfficientNet-Lite networks on whole images, from the
feature store or computed; the learner is `logistic`. For each seed, a share of the labels is changed,
either to any other species or to the species that is most often mixed up with the true one. Ways to rank
labels are those of cleanlab, on probabilities of one network, on the mean of three networks, and on this
mean after temperature scaling.

Printed are, as means and standard deviations over the seeds, the precision of the first labels of the
list, as many as were changed (which is also their recall), and for ways to estimate how many labels are
wrong the number of suspicious labels, their precision and their recall. Labels of the dataset itself may
be wrong, too: they count as mistakes of the audit.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray

import stackkit
from stackkit.audit.labels import rank_labels
from stackkit.evaluation.folds import stratified_folds
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.statistics.calibration import fit_calibration

NETWORKS = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
FILTERS = ("prune_by_noise_rate", "both", "confident_learning", "low_self_confidence")

Labels = NDArray[np.int64]
Matrix = NDArray[np.floating]
Figures = defaultdict[tuple[str, str], list[Sequence[float]]]


def main() -> None:
    """Print two tables for each kind of change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fraction", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
    tables = [
        stackkit.features(f"cub200:root={given.data / 'CUB_200_2011'}", network, store=given.store)
        for network in NETWORKS
    ]
    features, labels = [each.X for each in tables], tables[0].y
    clean = np.mean(left_out(features, labels, given.folds, seed=0), axis=0)
    kinds = {"any other species": None, "the most similar species": most_similar(labels, clean)}
    for kind, target in kinds.items():
        first: Figures = defaultdict(list)
        flagged: Figures = defaultdict(list)
        for seed in range(given.seeds):
            noisy = changed(labels, given.fraction, target, np.random.default_rng(seed))
            judge(features, labels, noisy, given.folds, seed, first, flagged)
        report(f"{given.fraction:.0%} of {len(labels):,} labels changed to {kind}", first, flagged)


def changed(
    labels: Labels, fraction: float, target: Labels | None, random: np.random.Generator
) -> Labels:
    """Change a share of the labels: to `target[label]`, or to any other class at random."""
    count, classes = round(fraction * len(labels)), int(labels.max()) + 1
    rows = random.choice(len(labels), count, replace=False)
    noisy = labels.copy()
    steps = random.integers(1, classes, count)
    noisy[rows] = (labels[rows] + steps) % classes if target is None else target[labels[rows]]
    return noisy


def most_similar(labels: Labels, probabilities: Matrix) -> Labels:
    """Return for each class the one that takes most probability from its images."""
    classes = probabilities.shape[1]
    mean = np.stack([probabilities[labels == label].mean(axis=0) for label in range(classes)])
    np.fill_diagonal(mean, -1)
    return mean.argmax(axis=1)


def left_out(features: Sequence[Matrix], labels: Labels, folds: int, seed: int) -> Matrix:
    """Return what `logistic` says about images left out, (n_networks, n, n_classes)."""
    registry = Registry(host=load_host(environ=os.environ))
    names = [str(label) for label in range(int(labels.max()) + 1)]
    found = np.zeros((len(features), len(labels), len(names)))
    for fold in stratified_folds(labels, names, folds, shuffle=True, seed=seed):
        for network, X in enumerate(features):
            learner = registry.one("learner", "logistic").create()
            learner.fit(X[fold.train], labels[fold.train])
            found[network, fold.test] = learner.predict_proba(X[fold.test])
    return found


def judge(
    features: Sequence[Matrix],
    labels: Labels,
    noisy: Labels,
    folds: int,
    seed: int,
    first: Figures,
    flagged: Figures,
) -> None:
    """Add the figures of one seed."""
    of_networks = left_out(features, noisy, folds, seed)
    mean = of_networks.mean(axis=0)
    wrong = noisy != labels
    kinds: Mapping[str, Matrix] = {
        "one network": of_networks[-1],
        "mean of networks": mean,
        "mean, calibrated": calibrated(mean, noisy),
    }
    for kind, probabilities in kinds.items():
        for way in RANKINGS:
            for adjusted in (False, True):
                if adjusted and way == "confidence_weighted_entropy":
                    continue  # cleanlab does not offer it
                quality = get_label_quality_scores(
                    noisy, probabilities, method=way, adjust_pred_probs=adjusted
                )
                top = np.argsort(quality, kind="stable")[: wrong.sum()]
                name = f"{way}{', adjusted' if adjusted else ''}"
                first[kind, name].append([wrong[top].mean()])
        for way in FILTERS:
            found = find_label_issues(noisy, probabilities, filter_by=way, n_jobs=1)
            flagged[kind, way].append(precision_and_recall(wrong, found))
    ranking = rank_labels(noisy, mean)
    first["stackkit", ""].append([wrong[ranking.rows[: wrong.sum()]].mean()])
    found = np.isin(np.arange(len(noisy)), ranking.rows[ranking.suspicious])
    flagged["stackkit", ""].append(precision_and_recall(wrong, found))


def calibrated(probabilities: Matrix, labels: Labels) -> Matrix:
    """Scale by the temperature with the lowest log-loss on these labels."""
    scores = np.log(np.maximum(probabilities, 1e-12))
    return fit_calibration(scores, labels).probabilities(scores)


def precision_and_recall(wrong: NDArray[np.bool_], found: NDArray[np.bool_]) -> Sequence[float]:
    """Return the number of labels found, and the precision and recall of this list."""
    hits = (wrong & found).sum()
    return [found.sum(), hits / max(found.sum(), 1), hits / wrong.sum()]


def report(title: str, first: Figures, flagged: Figures) -> None:
    """Print the means and standard deviations."""
    print(f"\n{title}\n{'':50}precision = recall of the first as many")
    for (kind, way), figures in first.items():
        print(f"{kind:18}{way:32}{_spread(figures, 0)}")
    print(f"{'':50}suspicious       precision        recall")
    for (kind, way), figures in flagged.items():
        numbers = np.array(figures)[:, 0]
        count = f"{numbers.mean():5.0f} ± {numbers.std():3.0f}"
        print(f"{kind:18}{way:32}{count}    {_spread(figures, 1)}    {_spread(figures, 2)}", flush=True)


def _spread(figures: Sequence[Sequence[float]], column: int) -> str:
    values = np.array(figures)[:, column]
    return f"{values.mean():6.1%} ± {values.std():5.1%}"


if __name__ == "__main__":
    main()
