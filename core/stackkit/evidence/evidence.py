"""What a report shows besides figures: images, a map of the features, and suspicions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stackkit.audit.findings import Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMap:
    """Images as points of a plane, near each other if their features are.

    Parameters
    ----------
    image : ndarray of shape (n,), int64
        Positions of the images in `Outcomes.ids`; a sample of a large dataset.
    points : ndarray of shape (n, 2), float32
        Coordinates.
    method : str
        How they were found, such as "t-SNE of resnet50".

    """

    image: NDArray[np.int64]
    points: NDArray[np.float32]
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a report shows and that cannot be computed from `Outcomes`.

    Parameters
    ----------
    thumbnails : mapping of str to bytes
        JPEG files of at most 96 pixels a side, by id of the image; of the images that a page shows.
    small : mapping of str to bytes
        JPEG files of at most 40 pixels a side, by id, of the images on the map.
    feature_map : FeatureMap or None
        None if the features could not be read.
    audit : Audit or None
        None if nothing was examined.
    missing : sequence of str
        What could not be gathered and why, in sentences for the reader of the report.

    """

    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    small: Mapping[str, bytes] = field(default_factory=dict)
    feature_map: FeatureMap | None = None
    audit: Audit | None = None
    missing: Sequence[str] = ()
