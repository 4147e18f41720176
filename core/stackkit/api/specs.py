"""Describe the components of a plugin without importing their code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stackkit.api.component_spec import ComponentSpec as ComponentSpec
from stackkit.api.component_spec import Kind as Kind
from stackkit.api.component_spec import load_text as load_text


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec(ComponentSpec):
    """A source of labelled images. Its factory returns a `Dataset`.

    It has all fields of `ComponentSpec`, and one more.

    Attributes
    ----------
    fetch : str
        "package.module:callable" that downloads the dataset for `stackkit fetch`, or "" if there is
        nothing to download. The callable takes every option and `reporter` (a `Reporter`) as keyword
        arguments, returns the folder as a `pathlib.Path`, and raises a StackkitError if it fails.

    """

    kind = "dataset"
    fetch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec(ComponentSpec):
    """A frozen network. Its factory returns a `Backbone` or a `PreparableBackbone`.

    It has all fields of `ComponentSpec`, and four more. The first three describe the network with its
    default options. `stackkit list-plugins` shows them, so that users can choose a network.

    Attributes
    ----------
    image_size : int or None
        Width and height of the input in pixels.
    feature_dim : int or None
        Number of features per image.
    download_bytes : int or None
        About how many bytes it downloads at first use.
    weights_file : bool
        Whether its weights can travel inside a trained model: its backbones are `PortableBackbone`s, and
        the factory takes the keyword `weights_file` (a `pathlib.Path` or None) besides the options. It
        is a copy of the file that the backbone had on another machine. The weights are read from it
        instead of where the options say, which need not exist, and the revision is the same.

    """

    kind = "backbone"
    image_size: int | None = None
    feature_dim: int | None = None
    download_bytes: int | None = None
    weights_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSpec(ComponentSpec):
    """A classifier that is fitted on the features of one backbone. Its factory returns a `Learner`.

    It has all fields of `ComponentSpec`, and six more.

    Attributes
    ----------
    probabilities : bool
        Whether the learner has `predict_proba`. Without it the learner can be a baseline, but cannot be
        stacked.
    process_state : tuple of str, str or None
        Names of what fits of this component use that the whole process shares, such as "liblinear" for
        the random generator of scikit-learn's `LinearSVC`. Fits that name the same state take turns.
        With `()` they run beside any other fit. By default, None, the component may use any state, and
        its fits run alone. "random" stands for the global generators of Python and NumPy; stackkit
        seeds them for each fit that names them or runs alone. If the state depends on options:
        "package.module:callable"; the callable takes every option as a keyword argument and returns a
        tuple or None.
    state : str
        "package.module:callable" that takes a fitted learner and returns its `State`, so that a model
        can be saved without code. "" if it has none: the model then needs skops, and is opened only by
        users who trust it.
    restore : str
        "package.module:callable" that takes a `State`, and every option as a keyword argument, and
        returns a fitted learner that predicts bit for bit what the original predicts. Its class may be
        another one. The state may come from a damaged or hostile file, so shapes and labels are
        checked; errors are raised as ValueError in one line. Given together with `state`.
    onnx : str
        "package.module:callable" that takes `OnnxNodes`, a `State`, the name of a tensor with (n, d)
        features, `n_classes`, and every option as a keyword argument. It adds nodes, and returns the
        name of a tensor with (n, n_classes) float64 probabilities: 0 for classes that the learner does
        not know. "" if models with this learner cannot be exported to ONNX.
    update : str
        "package.module:callable" that takes a `State`, (n, d) float32 features, (n,) int64 labels, and
        every option as a keyword argument, and returns the State of the learner that is fitted on the
        rows of both. Labels that the state does not know are new classes. Without rows, n = 0, it
        returns an equal state. It raises ValueError in one line for a state that cannot be updated, such
        as one without the statistics that this takes. "" if the learner cannot be updated.

    """

    kind = "learner"
    probabilities: bool = True
    process_state: tuple[str, ...] | str | None = None
    state: str = ""
    restore: str = ""
    onnx: str = ""
    update: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorSpec(ComponentSpec):
    """A meta-classifier. Its factory returns an `Aggregator` or a `FeatureAggregator`.

    It has all fields of `ComponentSpec`, and five more.

    Attributes
    ----------
    process_state : tuple of str, str or None
        As that of `LearnerSpec`.
    state, restore : str
        As those of `LearnerSpec`. If `fit_on` is "features", `state` also takes the keyword
        `learner_state`, a callable that returns the state of a fitted learner, and `restore` the keyword
        `restore_learner`, a callable that returns the learner of a state.
    onnx : str
        As that of `LearnerSpec`, but it takes the probabilities of all learners, (n_learners, n,
        n_classes) float64, and returns (n, n_classes) float64 scores: the logarithms of probabilities,
        as `OnnxNodes.log` has them, or else decision values. The highest one is that of the predicted
        label. If `fit_on` is "features", it takes a list of tensors with (n, d) features, and the
        keyword `learner`, a callable that takes the State of a learner and the name of its features and
        returns the name of its probabilities.
    learns : bool
        False if `fit` learns nothing but which classes there are: a mean or a vote. A model with such an
        aggregator can be updated with new images.

    """

    kind = "aggregator"
    process_state: tuple[str, ...] | str | None = None
    state: str = ""
    restore: str = ""
    onnx: str = ""
    learns: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSpec(ComponentSpec):
    """Workers that compute features and fit classifiers. Its factory returns an `Executor`.

    It has all fields of `ComponentSpec`. The factory starts workers, or connects to those that there
    are, and raises `ExecutorError` if it cannot.

    """

    kind = "executor"


# Read-only, because plugins run in the same process and could change it.
SPEC_TYPES: Mapping[Kind, type[ComponentSpec]] = MappingProxyType(
    {spec.kind: spec for spec in (DatasetSpec, BackboneSpec, LearnerSpec, AggregatorSpec, ExecutorSpec)}
)
