"""Find out which images belong together: those of one group, and copies of one file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Sample

Groups = NDArray[np.int64]
"""(n,) numbers of the groups of n images, from 0 in the order in which the groups first appear."""


def group_images(samples: Sequence[Sample], fingerprints: Sequence[str] = ()) -> Groups | None:
    """Number the groups of images that folds must not part.

    Parameters
    ----------
    samples : sequence of Sample
        The n images. One without a group is a group of its own.
    fingerprints : sequence of str
        Fingerprints of the n images, to join copies of one file too; empty to leave these apart. A copy
        links two groups, which become one. "" joins nothing.

    Returns
    -------
    ndarray of shape (n,), int64, or None
        Numbers from 0 in the order of first appearance; None if every image is a group of its own.

    """
    links: dict[tuple[str, str], list[int]] = {}
    for row, sample in enumerate(samples):
        if sample.group is not None:
            links.setdefault(("group", sample.group), []).append(row)
    for row, fingerprint in enumerate(fingerprints):
        if fingerprint:
            links.setdefault(("content", fingerprint), []).append(row)
    # Each image is linked to the first one of its group and to the first one with its content.
    pairs = [(rows[0], row) for rows in links.values() for row in rows[1:]]
    if not pairs:
        return None
    # Imported here: labelling images needs neither groups nor SciPy, which takes 0.1 s to import.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, other = np.array(pairs).T
    graph = coo_array((np.ones(len(pairs)), (first, other)), shape=(len(samples), len(samples)))
    return numbered(connected_components(graph, directed=False)[1])


def class_counts(labels: NDArray[np.int64], groups: Groups) -> list[dict[int, int]]:
    """Count the images of each class in each group: a mapping of label to number per group."""
    n_classes = int(labels.max()) + 1
    pairs, counts = np.unique(groups * n_classes + labels, return_counts=True)
    found: list[dict[int, int]] = [{} for _ in range(int(groups.max()) + 1)]
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        group, label = divmod(pair, n_classes)
        found[group][label] = count
    return found


def numbered(groups: NDArray[np.integer]) -> Groups:
    """Renumber groups (n,) from 0 in the order in which they first appear."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
