"""Try a stranger's backbone on a few images before its features are kept, or counted as known.

What features belong to is their revision, and a revision is easily forgotten: the code is changed, or
an option that it leaves out, and rows of another network would be taken for its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ExtractionError
from stackkit.api.types import Dataset, Reporter
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.decoding import Decoder, Request
from stackkit.store import DatasetRows, FeatureFile
from stackkit.store.vouched import is_vouched, state, vouch

IMAGES = 4
"""Images of each sort, stored and to come: other code changes the features of every image."""

TOLERANCE = 0.01
"""Largest difference of features, as a share of their norm, that is laid to devices and rounding.

Runtimes differ by 1e-5 and half precision by 1e-3; dropout, a batch's own statistics or another
algorithm by a tenth and more.
"""


def try_out(
    named: CheckedBackbone,
    file: FeatureFile,
    pending: frozenset[int],
    decoder: Decoder,
    rows: DatasetRows,
    reporter: Reporter,
) -> None:
    """See that an image's features are its own, and that rows of this revision still come out so.

    Does nothing for stackkit's own backbones, whose revisions are held by its tests, and where
    the same code with the same options is known to have made these very rows.
    Raises ExtractionError that says what to do.
    """
    if not named.maker or is_vouched(file, named.maker):
        return
    stored = [i for i, print_ in enumerate(rows.fingerprints) if print_ and i not in pending]
    numbers = sorted({*_spread(stored), *_spread(sorted(pending))})
    size = named.backbone.image_size
    chunk = decoder.chunk(Request(numbers=numbers, sizes=[size]))
    pixels = chunk.pixels[size]
    if not chunk.rows:
        return
    if not pending:
        named.prepare(pixels, reporter.message)
    features = named.features(pixels)
    _require_independence(named, pixels, features)
    _require_as_stored(named, file, rows, pending, chunk.rows, features)


def recognise(
    named: CheckedBackbone, file: FeatureFile, dataset: Dataset, rows: DatasetRows, reporter: Reporter
) -> None:
    """`try_out` where nothing is to be computed, and keep that the rows were recognised."""
    if named.maker and not is_vouched(file, named.maker):
        now = state(file)
        with Decoder(dataset, rows.fingerprints) as decoder:
            try_out(named, file, frozenset(file.pending()), decoder, rows, reporter)
        vouch(file, named.maker, now)


def _spread(numbers: Sequence[int]) -> list[int]:
    """A few of the numbers from all over, the first and the last among them."""
    places = np.linspace(0, len(numbers) - 1, min(IMAGES, len(numbers))).round().astype(int)
    return [numbers[place] for place in places]


def _require_independence(
    named: CheckedBackbone, pixels: NDArray[np.uint8], features: NDArray[np.float32]
) -> None:
    """Ask for all but the first image in another order; if they differ, for the same once more."""
    order = np.arange(len(pixels))[:0:-1] if len(pixels) > 1 else np.zeros(1, int)
    difference = _differences(named.features(pixels[order]), features[order]).max()
    if difference <= TOLERANCE:
        return
    if _differences(named.features(pixels), features).max() <= TOLERANCE:
        how = "among other images"
        why = (
            "statistics or a scale is taken over the batch: use inference mode, or send images through "
            "one at a time if the network is quantized dynamically"
        )
    else:
        how, why = "when asked again", "dropout, chance or a state that it keeps is at work"
    raise ExtractionError(
        f"{named.label} (from {named.distribution}) gives an image other features {how}, by "
        f"{_percent(difference)} of their norm: {why}. Nothing of it was kept; `stackkit check-plugin "
        f"{named.distribution if named.code else named.plugin}` says more"
    )


def _require_as_stored(
    named: CheckedBackbone,
    file: FeatureFile,
    rows: DatasetRows,
    pending: frozenset[int],
    numbers: Sequence[int],
    features: NDArray[np.float32],
) -> None:
    known = [place for place, number in enumerate(numbers) if number not in pending]
    if not known:
        return
    stored = file.view()[[numbers[place] for place in known]]
    differences = _differences(features[known], stored)
    worst = int(differences.argmax())
    if not differences[worst] <= TOLERANCE:
        raise ExtractionError(
            f"{named.label} (from {named.distribution}) no longer gives the features that are stored "
            f"for its revision {named.backbone.revision!r}: those of "
            f"{rows.samples[numbers[known[worst]]].id} differ by {_percent(differences[worst])} of "
            "their norm. Its code or an option changed and its revision did not: make the revision "
            f"tell, or remove {file.path} if those features were wrong"
        )


def _differences(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) of each row, as a share of the rows' mean norm; what is not finite is told elsewhere."""
    a, b = (np.nan_to_num(each.astype(np.float64)) for each in (found, wanted))
    scale = max(float(np.linalg.norm(b, axis=1).mean()), 1e-30)
    shares: NDArray[np.float64] = np.linalg.norm(a - b, axis=1) / scale
    return shares


def _percent(share: float) -> str:
    return f"{share:.0%}" if share < 10 else "more than 1,000 %"
