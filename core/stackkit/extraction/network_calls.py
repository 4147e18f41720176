"""Ask networks about decoded images: one call for all feature sets that a network computes at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ExtractionError
from stackkit.extraction.feature_set import FeatureSet
from stackkit.extraction.geometry import Geometry
from stackkit.extraction.passes import Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedSet:
    """A feature set, what its network sees, and the pass that computes it.

    `geometry` is that of the set: reading it from there asks for keys of the store every time.
    """

    feature_set: FeatureSet
    geometry: Geometry
    shared: Pass


AnySet = TypeVar("AnySet", bound=ComputedSet)


def by_call(sets: Sequence[AnySet]) -> list[list[AnySet]]:
    """Group sets by the call of a network that computes them: by pass and geometry."""
    groups = defaultdict[tuple[Pass, Geometry], list[AnySet]](list)
    for each in sets:
        groups[each.shared, each.geometry].append(each)
    return list(groups.values())


def call(together: Sequence[ComputedSet], images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Compute the features of images for the sets of one group of `by_call`.

    Parameters
    ----------
    together : sequence of ComputedSet
        The sets of one group.
    images : ndarray of shape (n, size, size, 3), uint8
        What the network sees of the images.

    Returns
    -------
    list of ndarray of shape (n, feature_dim), float32
        The features of each set, not checked yet, see `require_finite`.

    """
    shared = together[0].shared
    found = shared.features(images)
    members = [id(member) for member in shared.members]
    return [found[members.index(id(each.feature_set.backbone))] for each in together]


def require_finite(one: ComputedSet, features: NDArray[np.float32], names: Sequence[str]) -> None:
    """Raise ExtractionError with the name of the first image whose features are not all finite."""
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ExtractionError(
            f"{one.feature_set.backbone.full_name} returned NaN or infinite features for "
            f"{names[int(np.argmin(finite))]}"
        )
