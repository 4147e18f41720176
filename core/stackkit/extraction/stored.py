"""Check that all features of a dataset are stored, without computing any."""

from __future__ import annotations

from collections.abc import Sequence

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.errors import EvaluationError, StoreError
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.changed_code import reason_to_recompute
from stackkit.extraction.decoding import unreadable
from stackkit.extraction.feature_set import feature_sets, only_for_boxes
from stackkit.extraction.summary import ExtractionSummary
from stackkit.store import DatasetRows, FeatureStore


def already_extracted(
    dataset: Dataset, rows: DatasetRows, backbones: Sequence[CheckedBackbone], store: FeatureStore
) -> ExtractionSummary:
    """Return what is stored for a dataset and backbones.

    Raises
    ------
    StoreError
        If a backbone has no stored features for these images.
    EvaluationError
        If an image that can be decoded has no row.

    """
    failed: dict[str, FailedImage] = {}
    reused: dict[str, int] = {}
    sets = feature_sets(backbones)
    hidden = only_for_boxes(sets, backbones)
    for one in [each for each in sets if each.label not in hidden]:
        if reason := reason_to_recompute(one, rows, store):
            raise StoreError(f"{reason}; run `stackkit extract` first")
        with store.open(one.key, rows, {}, create=False) as file:
            pending = file.pending()
            place = f" in {shards}" if (shards := file.shards_with(pending)) else ""
        # A fingerprint needs only the bytes of an image: pending rows may be those of damaged images.
        broken = unreadable(dataset, pending)
        if len(broken) < len(pending):
            raise EvaluationError(
                f"{len(pending) - len(broken)} images have no features of {one.label}{place}; "
                "run `stackkit extract` with the same --dataset and --backbones first"
            )
        failed.update({failure.id: failure for failure in broken})
        reused[one.label] = rows.n_readable - len(pending)
    return ExtractionSummary(
        computed=dict.fromkeys(reused, 0), reused=reused, failed=tuple(failed.values())
    )
