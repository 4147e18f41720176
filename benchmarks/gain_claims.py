"""Count how often a gain of the stack would be claimed, where its true size is known.

    python benchmarks/gain_claims.py [--draws 400] [--jobs 2]

Rows on a single backbone have true accuracies that end at 88 %, and the stack is better than the best
of them by a known amount. Two rules are compared: the difference that is corrected for choosing the
best row, and that one and the difference as measured together, which is what reports claim. Prints a
table in Markdown; "too high" is the corrected gain minus the true one over the chosen row.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from stackkit.statistics.selection import corrected_gain
from stackkit.verdicts.paired import PairedAnswers
from stackkit.verdicts.sentences import is_claimed

N_IMAGES = 1115
BEST = 0.88
SAMPLES = 500
"""Bootstrap samples of the corrected gain."""


@dataclass(frozen=True)
class Setting:
    """Rows on a single backbone whose true accuracies span `apart`, and the true gain of the stack."""

    n_rows: int
    apart: float
    gain: float


SETTINGS = [
    Setting(n_rows, apart, gain)
    for n_rows, apart in ((3, 0.0), (3, 0.04), (9, 0.0), (9, 0.04))
    for gain in (0.0, 0.01, 0.03)
]


def draw(setting: Setting, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw answers of rows that find the same images difficult; the stack is the last one."""
    shares = np.append(BEST - setting.apart * np.linspace(0, 1, setting.n_rows), BEST + setting.gain)
    own = np.sqrt(0.2) * random.normal(size=(N_IMAGES, len(shares)))
    return (np.sqrt(0.8) * random.normal(size=(N_IMAGES, 1)) + own < ndtri(shares)).astype(float)


def judged(setting: Setting, random: np.random.Generator) -> tuple[float, ...]:
    """Return whether each of the two rules claims a gain, and what the corrected one exceeds."""
    correct, stack = draw(setting, random), setting.n_rows
    accuracy = correct.mean(axis=0)
    best = int(accuracy[:stack].argmax())
    answers = PairedAnswers(
        titles=[str(row) for row in range(stack + 1)], accuracy=accuracy.tolist(), correct=correct
    )
    (measured,) = answers.verdicts([(stack, best)])
    corrected = corrected_gain(correct, stack, range(stack), draws=SAMPLES)
    plain = measured.claimed and measured.difference > 0
    fair = corrected.value > 0 and is_claimed(corrected.interval_95, corrected.p or 0.0)
    truth = setting.gain + setting.apart * best / (stack - 1)
    return fair, plain and fair, corrected.value - truth


def line(setting: Setting, draws: int) -> str:
    """Return a row of the table."""
    random = np.random.default_rng(0)
    *claimed, over = np.mean([judged(setting, random) for _ in range(draws)], axis=0)
    rows = f"{setting.n_rows} rows, {100 * (BEST - setting.apart):.0f} to {100 * BEST:.0f} %"
    shares = " | ".join(f"{100 * share:.1f} %" for share in claimed)
    return f"| {rows} | {100 * setting.gain:+.0f} | {shares} | {100 * over:+.2f} |"


def table(lines: Sequence[str]) -> str:
    """Return a table in Markdown."""
    heading = "| rows | true gain | corrected | both | too high |"
    return "\n".join([heading, "| --- | --: | --: | --: | --: |", *lines])


def main() -> None:
    """Simulate all settings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        print(table(list(pool.map(partial(line, draws=arguments.draws), SETTINGS))))


if __name__ == "__main__":
    main()
