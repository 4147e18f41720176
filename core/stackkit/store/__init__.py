"""Keep extracted features so that no image goes through a network twice.

One HDF5 file per backbone setting and dataset, laid out as docs/feature-store.md says. A row
belongs to an image's content and a backbone setting and to nothing else: its checksum covers
the image's fingerprint and the features, so that a torn or foreign row is seen and never read.
"""

from stackkit.store.file import FeatureFile
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype
from stackkit.store.store import FeatureStore

__all__ = ["BackboneKey", "DatasetRows", "FeatureDtype", "FeatureFile", "FeatureStore"]
