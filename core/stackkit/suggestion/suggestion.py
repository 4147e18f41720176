"""Try candidates one after another while the budget lasts, and rank them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import StackkitError
from stackkit.api.reporter import Reporter
from stackkit.evaluation.evaluability import check_folds
from stackkit.extraction.dataset import CheckedDataset, open_dataset
from stackkit.extraction.extract import fingerprints
from stackkit.extraction.subset import Subset
from stackkit.host.registry import Registry
from stackkit.recipe import PUBLISHED, Recipe, command
from stackkit.store import FeatureStore
from stackkit.suggestion.candidates import Candidate, NotReady, Search, find_candidates
from stackkit.suggestion.sample import FOLDS, default_limit, stratified_sample
from stackkit.suggestion.trial import Trial, Workplace, try_recipe

HEAD_ROOM = 1.5
"""How much longer than the time in the networks a trial may take: decoding and fits come on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A candidate that was not tried for lack of time, or that has `failed`, and why."""

    name: str
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Trials of candidates, the most accurate first.

    Parameters
    ----------
    dataset : str
        The dataset with its options.
    limit : int
        Maximum number of images per class in the sample.
    n_images, n_classes : int
        Size of the sample.
    n_whole : int
        Number of images of the whole dataset.
    can_grow : bool
        Whether a larger limit would add images.
    failed : sequence of FailedImage
        Images of the sample that could not be read and do not count.
    trials : sequence of (Candidate, Trial)
        The candidates that were tried, the most accurate first, and of equals the quickest.
    skipped : sequence of Skipped
        The others.
    not_ready : sequence of NotReady
        What cannot run on this machine now.

    Notes
    -----
    All candidates are evaluated by the same shuffled, stratified cross-validation, in which images of
    one group stay together. A network has shrinkage LDA as its probe (a linear probe in closed form), a
    recipe its own learners and its first aggregator.

    """

    dataset: str
    limit: int
    n_images: int
    n_classes: int
    n_whole: int
    can_grow: bool
    failed: Sequence[FailedImage]
    trials: Sequence[tuple[Candidate, Trial]]
    skipped: Sequence[Skipped]
    not_ready: Sequence[NotReady]

    @property
    def best(self) -> tuple[Candidate, Trial] | None:
        """The most accurate candidate; None if none was tried."""
        return self.trials[0] if self.trials else None

    @property
    def indistinct(self) -> list[tuple[Candidate, Trial]]:
        """The others that the sample does not show to be less accurate than the best, at 95 %."""
        return [
            (candidate, trial)
            for candidate, trial in self.trials[1:]
            if trial.gain_interval_95(self.trials[0][1])[1] >= 0
        ]

    @property
    def cheaper(self) -> tuple[Candidate, Trial] | None:
        """The quickest of `indistinct`, if it is quicker than the best; None otherwise."""
        if not self.best or not self.best[1].seconds:
            return None
        known = [(c, t) for c, t in self.indistinct if t.seconds is not None]
        quickest = min(known, key=lambda pair: pair[1].seconds or 0.0, default=None)
        if quickest is None or (quickest[1].seconds or 0.0) >= self.best[1].seconds:
            return None
        return quickest

    def document(self) -> dict[str, Any]:
        """Return plain JSON types; times in seconds, shares from 0 to 1."""
        indistinct = [candidate.name for candidate, _ in self.indistinct]
        return {
            "dataset": self.dataset,
            "limit": self.limit,
            "n_images": self.n_images,
            "n_classes": self.n_classes,
            "n_whole": self.n_whole,
            "failed_images": [asdict(image) for image in self.failed],
            "candidates": [
                {
                    "name": candidate.name,
                    "kind": candidate.kind,
                    "accuracy": trial.accuracy,
                    "interval_95": list(trial.interval_95),
                    "gain_interval_95": list(trial.gain_interval_95(self.trials[0][1]))
                    if number
                    else None,
                    "indistinct": candidate.name in indistinct,
                    "seconds": trial.seconds,
                    "images_per_s": trial.images_per_s,
                    "command": command(candidate.recipe),
                }
                for number, (candidate, trial) in enumerate(self.trials)
            ],
            "skipped": [{"name": one.name, "reason": one.reason} for one in self.skipped],
            "not_ready": [{"name": one.name, "reason": one.reason} for one in self.not_ready],
            "suggested": command(self.best[0].recipe) if self.best else None,
            "cheaper": command(self.cheaper[0].recipe) if self.cheaper else None,
        }


class _OverBudget(Exception):  # noqa: N818 - not an error: it ends one trial
    """Why a candidate is skipped."""


def suggest(
    search: Search,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    fits: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Suggestion:
    """Try candidates in order while the budget lasts. Nothing is downloaded.

    Parameters
    ----------
    search : Search
        What to try, on how many images, and for how long.
    registry, store, reporter
        Where components are found, where features are kept, and what shows progress.
    fits : Path or None
        Folder that caches finished fits; None caches nothing.
    clock : callable
        Returns the time in seconds.

    Raises
    ------
    StackkitError
        If the dataset or a name is invalid. Candidates that fail are listed as skipped.

    """
    deadline = clock() + search.budget_s
    candidates, not_ready = find_candidates(registry, search)
    dataset = open_dataset(registry.one("dataset", search.dataset))
    limit = search.limit or default_limit(len(dataset.classes))
    subset = _sample_with_folds(search, dataset, limit)
    rows, _ = fingerprints(dataset.component.text, dataset, reporter)
    place = Workplace(
        registry=registry, dataset=dataset, rows=rows, store=store, reporter=reporter, fits=fits
    )
    trials, skipped = _try_all(candidates, subset, place, lambda: deadline - clock(), search.seed)
    return Suggestion(
        dataset=dataset.component.label,
        limit=limit,
        n_images=len(subset.samples),
        n_classes=len(subset.classes),
        n_whole=len(rows.samples),
        can_grow=len(stratified_sample(dataset, 2 * limit, search.seed).samples) > len(subset.samples),
        failed=list({image.id: image for _, trial in trials for image in trial.failed}.values()),
        trials=trials,
        skipped=skipped,
        not_ready=not_ready,
    )


def _sample_with_folds(search: Search, dataset: CheckedDataset, limit: int) -> Subset:
    """Return the sample that all candidates share; raises EvaluationError if it cannot have folds."""
    subset = stratified_sample(dataset, limit, search.seed)
    check_folds(_on_sample(search.recipe(PUBLISHED), search.seed), subset, fingerprints=())
    return subset


def _try_all(
    candidates: Sequence[Candidate],
    subset: Subset,
    place: Workplace,
    left_s: Callable[[], float],
    seed: int,
) -> tuple[list[tuple[Candidate, Trial]], list[Skipped]]:
    """Return the trials, the most accurate first, and what was skipped."""
    trials, skipped = list[tuple[Candidate, Trial]](), list[Skipped]()
    for candidate in candidates:
        place.reporter.message(f"trying      {candidate.kind} {candidate.name}")
        try:
            trials.append((candidate, _try(candidate, subset, place, left_s, seed)))
        except _OverBudget as over:
            skipped.append(Skipped(name=candidate.name, reason=str(over)))
        except StackkitError as error:
            skipped.append(Skipped(name=candidate.name, reason=f"failed: {error}", failed=True))
    never = float("inf")  # of equals, one whose time is unknown comes last
    trials.sort(key=lambda pair: (-pair[1].accuracy, pair[1].seconds or never))
    return trials, skipped


def _try(
    candidate: Candidate, subset: Subset, place: Workplace, left_s: Callable[[], float], seed: int
) -> Trial:
    """Try one candidate; raises _OverBudget if it would take longer than `left_s` returns."""
    if left_s() <= 0:
        raise _OverBudget("the budget was used up")

    def check(seconds: float) -> None:
        expected, left = HEAD_ROOM * seconds, left_s()
        if expected > left:
            raise _OverBudget(f"takes about {expected:.0f} s here, and {max(left, 0):.0f} s were left")

    recipe = candidate.recipe
    if candidate.kind == "network":
        recipe = replace(recipe, aggregators=())
    return try_recipe(_on_sample(recipe, seed), subset, place, begin=check)


def _on_sample(recipe: Recipe, seed: int) -> Recipe:
    """Return a candidate's recipe with the folds that all candidates have on the sample."""
    return replace(recipe.in_shuffled_folds(FOLDS), baselines=(), seed=seed, strict=False)
