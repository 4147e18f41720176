"""The manifest of a bundle, schema 1: what a model is made of, where it comes from, how good it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from stackkit.bundle.accuracy_record import AccuracyRecord
from stackkit.bundle.update_record import UpdateRecord

SCHEMA = 1
"""Version of the manifest that this stackkit writes. It rises when older versions would misread it."""

MAX_BACKBONES = 100
"""Maximum number of networks of a model: a short text could ask for thousands, each with its memory."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRecord:
    """A component with its options, and the distribution that has it.

    Attributes
    ----------
    kind : {"backbone", "learner", "aggregator"}
        What it is.
    name : str
        "plugin/name".
    label : str
        Name with options, as tables show it.
    options : mapping of str to option value
        All options.
    distribution, version : str
        Where its code came from when the model was fitted.

    """

    kind: Literal["backbone", "learner", "aggregator"]
    name: str
    label: str
    options: Mapping[str, Any]
    distribution: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRecord:
    """A file with the weights of a network.

    Attributes
    ----------
    name : str
        Name of the file.
    size : int
        In bytes.
    sha256 : str
        Of its content.
    source : str
        Where it came from, as the option of the network says it, such as "imagenet".
    member : str
        The member of the bundle that has it; "" if it is not in the bundle.

    """

    name: str
    size: int
    sha256: str
    source: str = ""
    member: str = ""

    def __post_init__(self) -> None:
        if self.size < 0 or not _SHA256.fullmatch(self.sha256):
            raise ValueError("size must be at least 0, and sha256 64 hexadecimal digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneRecord:
    """A network, how it sees images, and its weights.

    Attributes
    ----------
    component : ComponentRecord
        The network with its options.
    revision : str
        Identifies weights, architecture and preprocessing.
    trained : bool
        False for random weights.
    image_size : int
        Side of the square images in pixels.
    feature_dim : int
        Number of features per image.
    resize : str
        How images become squares: "squash", "crop" or "pad".
    views : tuple of str
        What it sees besides whole images.
    weights : WeightsRecord or None
        Its weights; None if the plugin does not say which file has them.
    boxes : BackboneRecord or None
        The network that finds the boxes of the view "attention", if it is another one.

    """

    component: ComponentRecord
    revision: str
    trained: bool
    image_size: int
    feature_dim: int
    resize: str
    views: tuple[str, ...] = ()
    weights: WeightsRecord | None = None
    boxes: BackboneRecord | None = None

    def __post_init__(self) -> None:
        if min(self.image_size, self.feature_dim) < 1:
            raise ValueError("image_size and feature_dim must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierRecord:
    """A fitted learner or aggregator.

    Attributes
    ----------
    component : ComponentRecord
        The learner or aggregator with its options.
    states : tuple of str
        Names of the states of the fitted classifiers; several if each was fitted on other rows. With
        the format "skops" they are members of the bundle.
    format : {"state", "skops"}
        "skops": a third party's scikit-learn estimator, which is loaded only if the user trusts it.
    backbone : int
        Position of the backbone whose features it takes; -1 for an aggregator.
    fit_on : str
        What an aggregator was fitted on; "" for a learner.
    views : tuple of str
        What a learner does with the views of an image, for each state: "whole", "rows", "average" or
        "probabilities"; empty for an aggregator.

    """

    component: ComponentRecord
    states: tuple[str, ...]
    format: Literal["state", "skops"] = "state"
    backbone: int = -1
    fit_on: str = ""
    views: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceRecord:
    """Where a model comes from.

    Attributes
    ----------
    stackkit : str
        Version that made it.
    created : str
        Time in ISO 8601.
    dataset : str
        Label of the dataset.
    images : int
        Number of images that the model was fitted on.
    recipe : mapping
        The recipe by its name, the settings that replaced its own, and the command.
    versions : mapping of str to str
        Python and the libraries.

    """

    stackkit: str
    created: str
    dataset: str
    images: int
    recipe: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle says about its model; `docs/reference/bundle.md` describes each field.

    Attributes
    ----------
    classes : tuple of str
        Names of the classes; labels are indices into them.
    backbones : tuple of BackboneRecord
        The networks.
    learners : tuple of ClassifierRecord
        The base learners, in the order that the aggregator takes them.
    aggregator : ClassifierRecord
        The aggregator.
    provenance : ProvenanceRecord
        Where the model comes from.
    accuracy : AccuracyRecord or None
        What to expect; None if it was not measured.
    calibration, reliability, novelty, examples : mapping
        Figures to show; what answers are computed from is in the states of the same names.
    pixels : mapping
        How image files are read: the fields of `stackkit.api.PixelOptions` that the dataset has.
    licence : str
        Note on what the weights and images allow; "" if nobody gave one.
    updatable : mapping
        Facts about what an update needs, if the model can be updated: `images`, the number of training
        images that it would notice again, and `bytes`, the size of its states.
    updates : tuple of UpdateRecord
        The updates since it was trained, the first one first.

    """

    classes: tuple[str, ...]
    backbones: tuple[BackboneRecord, ...]
    learners: tuple[ClassifierRecord, ...]
    aggregator: ClassifierRecord
    provenance: ProvenanceRecord
    accuracy: AccuracyRecord | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    reliability: Mapping[str, Any] = field(default_factory=dict)
    novelty: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)
    pixels: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    updatable: Mapping[str, Any] = field(default_factory=dict)
    updates: tuple[UpdateRecord, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError("classes must be at least two different names")
        if not self.backbones or not self.learners:
            raise ValueError("a model has at least one backbone and one learner")
        if not all(0 <= each.backbone < len(self.backbones) for each in self.learners):
            raise ValueError(f"the backbone of a learner must be 0 to {len(self.backbones) - 1}")
        classifiers = (*self.learners, self.aggregator)
        if not all(each.states for each in classifiers):
            raise ValueError("each classifier must have a state")
        names = [name for each in classifiers for name in each.states]
        if len(set(names)) != len(names):  # a short text could ask for one large array many times
            raise ValueError("each state must be that of one classifier")
        count = sum(1 for _ in all_backbones(self.backbones))
        if count > MAX_BACKBONES:
            raise ValueError(f"a model has at most {MAX_BACKBONES} backbones, got {count:,}")

    @property
    def trained(self) -> bool:
        """Whether no network has random weights."""
        return all(each.trained for each in all_backbones(self.backbones))

    def document(self) -> dict[str, Any]:
        """Return a JSON object, which `write_bundle` takes."""
        found = asdict(self)
        for name in ("updatable", "updates"):  # without them, a bundle has the bytes that it always had
            if not found[name]:
                del found[name]
        return found


def all_backbones(backbones: Iterable[BackboneRecord]) -> Iterable[BackboneRecord]:
    """Yield backbones, and the ones that find boxes for them."""
    for each in backbones:
        yield each
        if each.boxes:
            yield from all_backbones([each.boxes])
