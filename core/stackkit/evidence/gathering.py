"""Gather what a report shows besides figures: thumbnails, a map of the features, and suspicions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset
from stackkit.api.errors import ImageError
from stackkit.api.reporter import Reporter
from stackkit.audit.examine import examine
from stackkit.audit.findings import Audit
from stackkit.audit.subject import Subject
from stackkit.evaluation.inputs import UsableFeatures
from stackkit.evaluation.outcomes import Outcomes
from stackkit.evidence.confusions import confused_pairs, confusion, examples
from stackkit.evidence.evidence import Evidence, FeatureMap
from stackkit.evidence.feature_map import feature_map
from stackkit.evidence.thumbnails import Thumbnails, make_thumbnails
from stackkit.verdicts.headline import headline_of

MOST_THUMBNAILS = 400
"""Number of images on a page besides the map: about 1.5 MB."""

SHOWN_PER_KIND = 24
"""Findings of each kind that a page shows with their images."""

MOST_COMPARED = 20_000
"""Images up to which near-duplicates are looked for: half a minute per network on two cores."""

TASK = "report"
"""Name of the task that `gather` reports."""


def gather(
    document: dict[str, Any],
    outcomes: Outcomes,
    *,
    dataset: Dataset | None,
    usable: UsableFeatures | None,
    reporter: Reporter,
    missing: Sequence[str] = (),
    folder: Path | None = None,
    input_size: int = 224,
) -> Evidence:
    """Decode the images that a page shows, place images on a map and look for suspicious ones.

    Parameters
    ----------
    document : dict
        Content of report.json.
    outcomes : Outcomes
        What was predicted.
    dataset : Dataset or None
        The dataset of the run; None if it cannot be opened any more.
    usable : UsableFeatures or None
        The features of the run, with rows of `dataset`; None if they cannot be read any more.
    reporter : Reporter
        Shows progress.
    missing : sequence of str
        Why `dataset` or `usable` is None, for the reader of the report.
    folder : Path or None
        Where to remember what was measured on the pixels, such as the folder of the store.
    input_size : int
        Side of the images that the networks see, in pixels; smaller images are named.

    Returns
    -------
    Evidence
        What could not be gathered is named in `missing`. Ctrl-C raises KeyboardInterrupt as usual.

    """
    if dataset is None:
        return Evidence(missing=tuple(missing))
    found_map = _map(outcomes, dataset, usable) if usable else None
    audit = _audit(outcomes, dataset, usable, reporter, folder, input_size)
    made = _thumbnails(outcomes, dataset, _shown(document, outcomes, audit), found_map, reporter)
    return Evidence(
        thumbnails=made.large,
        small=made.small,
        feature_map=found_map,
        audit=audit,
        missing=(*missing, *_not_shown(audit, made.failed)),
    )


def _map(outcomes: Outcomes, dataset: Dataset, usable: UsableFeatures) -> FeatureMap | None:
    """Return the map; images whose stored features are of another content have no place on it."""
    return feature_map(usable.features, _rows(outcomes, dataset, usable), outcomes.labels)


def _rows(outcomes: Outcomes, dataset: Dataset, usable: UsableFeatures) -> NDArray[np.int64]:
    """Return the row of each image in the features; -1 if they are not of this content."""
    names = [dataset.samples[int(row)].id for row in usable.rows]
    known = {each: row for row, each in enumerate(zip(names, usable.fingerprints, strict=True))}
    images = zip(outcomes.ids, outcomes.fingerprints, strict=True)
    return np.array([known.get(each, -1) for each in images], dtype=np.int64)


def _audit(
    outcomes: Outcomes,
    dataset: Dataset,
    usable: UsableFeatures | None,
    reporter: Reporter,
    folder: Path | None,
    input_size: int,
) -> Audit | None:
    """Examine the images of the run that still are in the dataset as they were; None without any."""
    numbers = {sample.id: number for number, sample in enumerate(dataset.samples)}
    samples = np.array([numbers.get(name, -1) for name in outcomes.ids], dtype=np.int64)
    rows = _unchanged(outcomes, dataset, samples) if usable is None else _rows(outcomes, dataset, usable)
    there = np.flatnonzero((samples >= 0) & (rows >= 0))
    if len(there) == 0:
        return None
    features = [] if usable is None else usable.features
    probabilities = outcomes.mean_probabilities
    subject = Subject(
        dataset=dataset,
        rows=samples[there],
        labels=outcomes.labels[there],
        classes=outcomes.classes,
        features=[replace(one, used_rows=one.used_rows[rows[there]]) for one in features],
        fingerprints=[outcomes.fingerprints[int(number)] for number in there],
    )
    return examine(
        subject,
        None if probabilities is None else probabilities[there],
        reporter,
        folder=folder,
        input_size=input_size,
        top=SHOWN_PER_KIND,
        most_compared=MOST_COMPARED,
    )


def _unchanged(outcomes: Outcomes, dataset: Dataset, samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `samples` with -1 for images of another content: figures of the run are not about these."""
    kept = samples.copy()
    for place, number in enumerate(samples.tolist()):
        try:
            is_same = number >= 0 and dataset.fingerprint(number) == outcomes.fingerprints[place]
        except (OSError, ImageError):
            is_same = False
        if not is_same:
            kept[place] = -1
    return kept


def _shown(document: dict[str, Any], outcomes: Outcomes, audit: Audit | None) -> Iterator[str]:
    """Yield the ids of the images that a page shows, the most important ones first."""
    row = headline_of(document)
    for pair in confused_pairs(confusion(outcomes, row)):
        for label, other in ((pair.first, pair.second), (pair.second, pair.first)):
            yield from (outcomes.ids[each] for each in examples(outcomes, row, label, other))
    for finding in audit.findings if audit else ():
        yield from filter(None, (finding.id, finding.other))
    yield from (each["id"] for each in document.get("suspect_images", ())[:SHOWN_PER_KIND])


def _thumbnails(
    outcomes: Outcomes,
    dataset: Dataset,
    shown: Iterable[str],
    found_map: FeatureMap | None,
    reporter: Reporter,
) -> Thumbnails:
    """Return large images of the first ones that are shown, and small ones of those on the map."""
    large = list(islice(dict.fromkeys(shown), MOST_THUMBNAILS))
    small = [] if found_map is None else [outcomes.ids[number] for number in found_map.image.tolist()]
    fingerprints = dict(zip(outcomes.ids, outcomes.fingerprints, strict=True))
    reporter.start(TASK, len({*large, *small}))
    return make_thumbnails(
        dataset, large, small, fingerprints, lambda count: reporter.advance(TASK, count)
    )


def _not_shown(audit: Audit | None, failed: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each reason, with the number of images and the first of them."""
    if audit is None:
        yield "No image of the dataset is as it was in the run, so none was examined."
    reasons: dict[str, list[str]] = {}
    for name, text in failed.items():
        reasons.setdefault(text, []).append(name)
    for text, names in reasons.items():
        yield f"{len(names):,} image(s) cannot be shown, first {names[0]}: {text}."
