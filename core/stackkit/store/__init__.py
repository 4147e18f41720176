"""Store extracted features, so that no image goes through a network twice.

There is one HDF5 file per backbone setting and dataset, or several for ranges of its rows (`shards`)
with an `index` that joins them; docs/reference/feature-store.md describes the
format. A row belongs to the content of an image and to a backbone setting. Its checksum covers the
fingerprint of the image and the features, so a damaged row or a row of another image is detected and
never used.
"""

from stackkit.store.file import FeatureFile
from stackkit.store.keys import BackboneKey, DatasetRows, FeatureDtype
from stackkit.store.store import FeatureStore

__all__ = ["BackboneKey", "DatasetRows", "FeatureDtype", "FeatureFile", "FeatureStore"]
