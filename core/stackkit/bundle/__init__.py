"""Write and read bundles: a trained stack as one zip file of JSON and arrays, without any code."""

from stackkit.bundle.accuracy_record import AccuracyRecord
from stackkit.bundle.manifest import (
    BackboneRecord,
    ClassifierRecord,
    ComponentRecord,
    Manifest,
    ProvenanceRecord,
    WeightsRecord,
)
from stackkit.bundle.reading import Bundle, open_bundle
from stackkit.bundle.update_record import UpdateRecord
from stackkit.bundle.writing import check_target, write_bundle

__all__ = [
    "AccuracyRecord",
    "BackboneRecord",
    "Bundle",
    "ClassifierRecord",
    "ComponentRecord",
    "Manifest",
    "ProvenanceRecord",
    "UpdateRecord",
    "WeightsRecord",
    "check_target",
    "open_bundle",
    "write_bundle",
]
