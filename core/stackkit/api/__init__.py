"""The public API for plugins. Import from here, and from no other module of stackkit.

No module of this package imports NumPy or Pillow at import time, so that listing plugins stays fast.
"""

from stackkit.api.aggregator import Aggregator, FeatureAggregator, FitOn
from stackkit.api.backbone import (
    Backbone,
    ExportableBackbone,
    JoinableBackbone,
    PlanningBackbone,
    PortableBackbone,
    PreparableBackbone,
    Readiness,
)
from stackkit.api.common_options import (
    fit_on_option,
    limit_option,
    min_per_class_option,
    pixel_options,
    seed_option,
)
from stackkit.api.dataset import BoundingBox, Dataset, Sample
from stackkit.api.errors import (
    DatasetError,
    ExecutorError,
    ExtractionError,
    ImageError,
    PluginError,
    StackkitError,
    UsageError,
    WeightsError,
    WorkerDiedError,
)
from stackkit.api.executor import Executor
from stackkit.api.groups import group_argument
from stackkit.api.hookspecs import HOOKSPEC_VERSION, hookimpl
from stackkit.api.housekeeping import is_housekeeping
from stackkit.api.image_files import IMAGE_ENDINGS, RAW_ENDINGS
from stackkit.api.images import bytes_fingerprint, decode_image, file_fingerprint, read_image
from stackkit.api.learner import Learner, StoredRows, StreamingLearner, UpdatableLearner
from stackkit.api.onnx_nodes import OnnxNodes, OnnxTensor
from stackkit.api.option import Option, OptionValue
from stackkit.api.paths import datasets_dir, engines_dir, user_path
from stackkit.api.pixels import PixelOptions
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.api.samples import leave_out_small_classes, limit_per_class
from stackkit.api.specs import AggregatorSpec, BackboneSpec, DatasetSpec, ExecutorSpec, LearnerSpec
from stackkit.api.state import State

__all__ = [
    "HOOKSPEC_VERSION",
    "IMAGE_ENDINGS",
    "RAW_ENDINGS",
    "Aggregator",
    "AggregatorSpec",
    "Backbone",
    "BackboneSpec",
    "BoundingBox",
    "Dataset",
    "DatasetError",
    "DatasetSpec",
    "Executor",
    "ExecutorError",
    "ExecutorSpec",
    "ExportableBackbone",
    "ExtractionError",
    "FeatureAggregator",
    "FitOn",
    "ImageError",
    "JoinableBackbone",
    "Learner",
    "LearnerSpec",
    "OnnxNodes",
    "OnnxTensor",
    "Option",
    "OptionValue",
    "PixelOptions",
    "PlanningBackbone",
    "PluginError",
    "PortableBackbone",
    "PreparableBackbone",
    "Readiness",
    "Reporter",
    "Sample",
    "SilentReporter",
    "StackkitError",
    "State",
    "StoredRows",
    "StreamingLearner",
    "UpdatableLearner",
    "UsageError",
    "WeightsError",
    "WorkerDiedError",
    "bytes_fingerprint",
    "datasets_dir",
    "decode_image",
    "engines_dir",
    "file_fingerprint",
    "fit_on_option",
    "group_argument",
    "hookimpl",
    "is_housekeeping",
    "leave_out_small_classes",
    "limit_option",
    "limit_per_class",
    "min_per_class_option",
    "pixel_options",
    "read_image",
    "seed_option",
    "user_path",
]
