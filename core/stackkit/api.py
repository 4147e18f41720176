"""The whole public surface for plugins: import from here and from nowhere else in stackkit."""

from stackkit.commonoptions import fit_on_option, limit_option, seed_option
from stackkit.errors import (
    DatasetError,
    ExtractionError,
    ImageError,
    PluginError,
    StackkitError,
    UsageError,
    WeightsError,
)
from stackkit.hookspecs import HOOKSPEC_VERSION, hookimpl
from stackkit.images import bytes_fingerprint, decode_image, file_fingerprint, read_image
from stackkit.paths import datasets_dir, engines_dir
from stackkit.samples import limit_per_class
from stackkit.specs import (
    AggregatorSpec,
    BackboneSpec,
    DatasetSpec,
    LearnerSpec,
    Option,
    OptionValue,
)
from stackkit.types import (
    Aggregator,
    Backbone,
    BoundingBox,
    Dataset,
    FeatureAggregator,
    FitOn,
    Learner,
    PreparableBackbone,
    Readiness,
    Reporter,
    Sample,
    SilentReporter,
)

__all__ = [
    "HOOKSPEC_VERSION",
    "Aggregator",
    "AggregatorSpec",
    "Backbone",
    "BackboneSpec",
    "BoundingBox",
    "Dataset",
    "DatasetError",
    "DatasetSpec",
    "ExtractionError",
    "FeatureAggregator",
    "FitOn",
    "ImageError",
    "Learner",
    "LearnerSpec",
    "Option",
    "OptionValue",
    "PluginError",
    "PreparableBackbone",
    "Readiness",
    "Reporter",
    "Sample",
    "SilentReporter",
    "StackkitError",
    "UsageError",
    "WeightsError",
    "bytes_fingerprint",
    "datasets_dir",
    "decode_image",
    "engines_dir",
    "file_fingerprint",
    "fit_on_option",
    "hookimpl",
    "limit_option",
    "limit_per_class",
    "read_image",
    "seed_option",
]
