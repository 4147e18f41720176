"""Run a network once for several backbones, such as poolings of one network.

A pass computes the features of all its members; each member's features are stored exactly as if it had
run alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.extraction.backbone import CheckedBackbone


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pass:
    """Backbones that one call of a network serves.

    Parameters
    ----------
    members : tuple of CheckedBackbone
        The backbones, at least one.
    backbone : CheckedBackbone
        What computes: the only member, or all members joined.

    """

    members: tuple[CheckedBackbone, ...]
    backbone: CheckedBackbone

    def features(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Compute the (n, feature_dim) float32 features of each member."""
        features = self.backbone.features(images)
        ends = np.cumsum([each.backbone.feature_dim for each in self.members])
        return [np.ascontiguousarray(part) for part in np.split(features, ends[:-1], axis=1)]


def passes(backbones: Sequence[CheckedBackbone]) -> list[Pass]:
    """Group backbones by what computes them, in the order of their first members.

    Raises
    ------
    ExtractionError
        If a backbone fails; the error names it.

    """
    groups = defaultdict[Hashable, list[CheckedBackbone]](list)
    for place, backbone in enumerate(backbones):
        shared = backbone.pass_key
        groups[place if shared is None else shared].append(backbone)
    return [
        Pass(members=(first, *others), backbone=first.joined(others))
        for first, *others in groups.values()
    ]
