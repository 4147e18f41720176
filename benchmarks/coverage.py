"""Check by simulation that 95 % intervals contain the truth as often as they promise.

    python benchmarks/coverage.py [--draws 2000] [--jobs 2]

Each setting draws many data sets whose true accuracies are known, and counts how often an interval
contains the truth. Intervals that stackkit does not use are there for comparison, in parentheses.
With 2,000 draws, a coverage of 95 % is measured to within 1 point. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import ttest_1samp

from stackkit.statistics.bootstrap import (
    cluster_interval,
    difference_interval,
    percentile_interval,
    resampled,
)
from stackkit.statistics.forecast import forecast
from stackkit.statistics.intervals import Interval, tango, wilson
from stackkit.statistics.paired_tests import corrected_t
from stackkit.statistics.selection import corrected_best, corrected_gain
from stackkit.statistics.units import units_of

SAMPLES = 1000
"""Bootstrap samples per interval."""

TRAININGS = 4000
"""Training sets that the true difference of two classifiers is the mean of."""

Floats = NDArray[np.float64]
Found = Mapping[str, tuple[Interval, float]]
"""Interval by its name, and the true value that it should contain."""


@dataclass(frozen=True)
class Setting:
    """One kind of data: a function that draws a data set and computes intervals of it."""

    figure: str
    data: str
    draw: Callable[[Generator], Found]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often an interval can be computed and contains the truth, and how wide it is on average."""

    setting: Setting
    interval: str
    made: float
    covered: float
    width: float


def accuracy(n: int, share: float, random: Generator) -> Found:
    """Draw right and wrong answers about independent images."""
    return {"Wilson": (wilson(int(random.binomial(n, share)), n), share)}


def difference(n: int, first: float, second: float, random: Generator) -> Found:
    """Draw images that only the first, or only the second of two rows gets right."""
    one, other, _ = random.multinomial(n, (first, second, 1 - first - second))
    rows = np.zeros((n, 2))
    rows[:one, 0], rows[one : one + other, 1] = 1, 1
    samples = resampled(units_of(rows, None), draws=SAMPLES)
    return {
        "paired bootstrap": (difference_interval(*rows.T, draws=SAMPLES), first - second),
        "Tango": (tango(int(one), int(other), n), first - second),
        "(percentiles)": (percentile_interval(samples[:, 0] - samples[:, 1]), first - second),
    }


def in_groups(sizes: NDArray[np.int64], share: float, likeness: float, random: Generator) -> Floats:
    """Draw answers whose correlation within a group is `likeness`, by a beta-binomial distribution."""
    scale = 1 / likeness - 1
    shares = random.beta(share * scale, (1 - share) * scale, size=len(sizes))
    return (random.random(sizes.sum()) < np.repeat(shares, sizes)).astype(float)


def grouped_accuracy(
    n_groups: int, largest: int, share: float, likeness: float, random: Generator
) -> Found:
    """Draw groups of different sizes."""
    sizes = random.integers(1, largest, size=n_groups, endpoint=True)
    groups, correct = np.repeat(np.arange(n_groups), sizes), in_groups(sizes, share, likeness, random)
    samples = resampled(units_of(correct[:, np.newaxis], groups), draws=SAMPLES)[:, 0]
    return {
        "cluster bootstrap": (cluster_interval(correct, groups, draws=SAMPLES), share),
        "(percentiles)": (percentile_interval(samples), share),
        "(Wilson)": (wilson(float(correct.sum()), len(correct)), share),
    }


def grouped_difference(n_groups: int, largest: int, apart: float, random: Generator) -> Found:
    """Draw groups in which two rows differ on a share of the images, 60 % of them for the first."""
    sizes = random.integers(1, largest, size=n_groups, endpoint=True)
    groups, truth = np.repeat(np.arange(n_groups), sizes), 0.2 * apart
    differ, up = (in_groups(sizes, share, 0.3, random) for share in (apart, 0.6))
    rows = np.column_stack([differ * up, differ * (1 - up)])
    samples = resampled(units_of(rows, groups), draws=SAMPLES)
    return {
        "paired bootstrap": (difference_interval(*rows.T, groups=groups, draws=SAMPLES), truth),
        "(percentiles)": (percentile_interval(samples[:, 0] - samples[:, 1]), truth),
    }


def alike(n: int, shares: Floats, random: Generator) -> Floats:
    """Draw answers of rows with these true accuracies, which find the same images difficult."""
    latent = random.normal(size=(n, 1)) + random.normal(size=(n, len(shares)))
    return (latent / np.sqrt(2) < ndtri(shares)).astype(float)


def chosen(n: int, n_rows: int, share: float, apart: float, random: Generator) -> Found:
    """Choose the best of several rows, whose true accuracies span `apart`."""
    shares = share + apart * np.linspace(0.5, -0.5, n_rows)
    correct = alike(n, np.append(shares, share + 0.02), random)
    best = int(correct[:, :n_rows].mean(axis=0).argmax())
    rows, truth = range(n_rows), float(shares[best])
    gain = corrected_gain(correct, n_rows, rows, draws=SAMPLES // 2)
    return {
        "accuracy, bias-corrected": (
            corrected_best(correct, rows, draws=SAMPLES // 2).interval_95,
            truth,
        ),
        "(accuracy, Wilson)": (wilson(correct[:, best].sum(), n), truth),
        "gain, bias-corrected": (gain.interval_95, share + 0.02 - truth),
        "(gain, paired bootstrap)": (
            difference_interval(correct[:, n_rows], correct[:, best], draws=SAMPLES // 2),
            share + 0.02 - truth,
        ),
    }


def gaussian(n: int, dimensions: int, random: Generator) -> tuple[Floats, Floats]:
    """Draw two classes, -1 and 1, whose means are 2 apart."""
    labels = np.where(np.arange(n) % 2, 1.0, -1.0)
    features = random.normal(size=(n, dimensions))
    features[:, 0] += labels
    return features, labels


def centroids(features: Floats, labels: Floats) -> tuple[Floats, float]:
    """Fit the nearest-centroid classifier; return weights and intercept."""
    means = [features[labels == side].mean(axis=0) for side in (1, -1)]
    weights = means[0] - means[1]
    return weights, float(-weights @ (means[0] + means[1]) / 2)


def least_squares(features: Floats, labels: Floats) -> tuple[Floats, float]:
    """Fit a ridge classifier; return weights and intercept."""
    full = np.column_stack([features, np.ones(len(features))])
    found = np.linalg.solve(full.T @ full + np.eye(full.shape[1]), full.T @ labels)
    return found[:-1], float(found[-1])


CLASSIFIERS = (least_squares, centroids)


@cache
def true_difference(n_train: int, dimensions: int) -> float:
    """Return the difference of the expected accuracies after training on `n_train` images."""
    random, found = np.random.default_rng(9), []
    for _ in range(TRAININGS):
        data = gaussian(n_train, dimensions, random)
        shares = []
        for fit in CLASSIFIERS:
            weights, intercept = fit(*data)
            ends = (np.array([1, -1]) * intercept + weights[0]) / np.linalg.norm(weights)
            shares.append(ndtr(ends).mean())
        found.append(shares[0] - shares[1])
    return float(np.mean(found))


def repeated_folds(n: int, dimensions: int, repeats: int, random: Generator) -> Found:
    """Compare two classifiers by repeated cross-validation with 5 folds, fitting each of them again."""
    features, labels = gaussian(n, dimensions, random)
    differences = []
    for _ in range(repeats):
        parts = np.array_split(random.permutation(n), 5)
        for test in parts:
            train = np.setdiff1d(np.arange(n), test)
            right = []
            for fit in CLASSIFIERS:
                weights, intercept = fit(features[train], labels[train])
                right.append(np.mean(np.sign(features[test] @ weights + intercept) == labels[test]))
            differences.append(right[0] - right[1])
    truth, n_test = true_difference(n - n // 5, dimensions), n / 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SciPy, if all differences are equal
        usual = ttest_1samp(differences, 0).confidence_interval()
    return {
        "corrected t": (corrected_t(differences, n - n_test, n_test)[0], truth),
        "(Student's t)": ((usual.low, usual.high), truth),
    }


def learning_curve(n_test: int, floor: float, exponent: float, random: Generator) -> Found:
    """Measure a curve on the same test images, and forecast its true value at twice the images."""
    images = np.array([1, 2, 5, 10, 20, 40.0])
    # The accuracy also depends on which images were trained on: 1 point, less with more images.
    errors = floor + 0.5 * images**-exponent
    errors = np.clip(errors + random.normal(0, 0.01 / np.sqrt(images)), 0.001, 0.999)
    found = forecast(images, alike(n_test, 1 - errors, random).mean(axis=0), n_test)
    truth = float(1 - (floor + 0.5 * 80**-exponent))
    return {"forecast": (found.interval_95, truth)} if found else {}


KINDS: Sequence[tuple[str, Callable[..., Found], Callable[..., str], Sequence[tuple[float, ...]]]] = (
    (
        "accuracy",
        accuracy,
        lambda n, share: f"{n} images, {100 * share:.0f} %",
        [(20, 0.9), (100, 0.8), (100, 0.98), (1115, 0.9)],
    ),
    (
        "difference",
        difference,
        lambda n, first, second: f"{n} images, {100 * first:g} % against {100 * second:g} %",
        [(60, 0.15, 0.05), (300, 0.03, 0.01), (1115, 0.004, 0.002)],
    ),
    (
        "accuracy in groups",
        grouped_accuracy,
        lambda n, size, share, alike: (
            f"{n} groups of 1 to {size}, {100 * share:.0f} %, correlation {alike}"
        ),
        [
            (10, 8, 0.8, 0.3),
            (20, 8, 0.95, 0.3),
            (50, 8, 0.9, 0.9),
            (30, 40, 0.9, 0.3),
            (200, 8, 0.9, 0.05),
        ],
    ),
    (
        "difference in groups",
        grouped_difference,
        lambda n, size, apart: f"{n} groups of 1 to {size}, differ on {100 * apart:.0f} %",
        [(20, 8, 0.1), (30, 40, 0.1), (200, 8, 0.05)],
    ),
    (
        "best of several rows",
        chosen,
        lambda n, rows, share, apart: f"{rows} rows, {n} images, {100 * share:.0f} % ± {50 * apart:.0f}",
        [(100, 10, 0.9, 0.0), (300, 40, 0.8, 0.0), (1115, 10, 0.9, 0.04)],
    ),
    (
        "difference over repeats",
        repeated_folds,
        lambda n, _dimensions, repeats: f"{n} images, {repeats} x 5 folds",
        [(60, 10, 1), (60, 10, 5), (200, 20, 5)],
    ),
    (
        "twice the images",
        learning_curve,
        lambda n, floor, exponent: f"{n} test images, floor {100 * floor:.0f} %, exponent {exponent}",
        [(300, 0.05, 0.8), (1115, 0.05, 0.5), (5000, 0.1, 1.0)],
    ),
)
"""What is drawn: the figure, the function, its arguments in words, and all of them."""

SETTINGS = tuple(
    Setting(figure, data(*each), partial(draw, *each))
    for figure, draw, data, arguments in KINDS
    for each in arguments
)


def coverages(setting: Setting, draws: int, seed: int = 0) -> list[Coverage]:
    """Draw data sets, and return how often each interval contains the truth."""
    random = np.random.default_rng(seed)
    found = [setting.draw(random) for _ in range(draws)]
    rows = []
    for name in dict.fromkeys(name for each in found for name in each):
        made = [each[name] for each in found if name in each]
        low, high, truth = np.array([(*interval, value) for interval, value in made]).T
        inside = (low <= truth + 1e-12) & (truth <= high + 1e-12)
        rows.append(
            Coverage(
                setting=setting,
                interval=name,
                made=len(made) / draws,
                covered=float(inside.mean()),
                width=float((high - low).mean()),
            )
        )
    return rows


def table(rows: Sequence[Coverage]) -> str:
    """Return a table in Markdown; coverage in percent, widths in points."""
    lines = ["| figure | data | interval | covers | width |", "| --- | --- | --- | --: | --: |"]
    for row in rows:
        data = row.setting.data + ("" if row.made == 1 else f" (in {100 * row.made:.0f} % of cases)")
        figures = f"{100 * row.covered:.1f} % | {100 * row.width:.1f}"
        lines.append(f"| {row.setting.figure} | {data} | {row.interval} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate all settings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        found = pool.map(partial(coverages, draws=arguments.draws), SETTINGS)
        print(table([row for rows in found for row in rows]))


if __name__ == "__main__":
    main()
