"""Save a model as a bundle, and load it again: the same answers, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from stackkit.api.errors import BundleError, WeightsError
from stackkit.api.state import State
from stackkit.bundle import (
    AccuracyRecord,
    BackboneRecord,
    Bundle,
    Manifest,
    ProvenanceRecord,
    UpdateRecord,
    open_bundle,
    write_bundle,
)
from stackkit.extraction.backbone import make_backbone
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.registry import Registry
from stackkit.model.classifiers import loaded_stack, saved_stack
from stackkit.model.components import find_component, other_version
from stackkit.model.examples import Examples
from stackkit.model.model import Model
from stackkit.model.networks import describe_network, restore_network
from stackkit.model.novelty import NoveltyDetector
from stackkit.model.reliability import Reliability
from stackkit.model.training_images import TrainingImages
from stackkit.statistics.calibration import Calibration

T = TypeVar("T")

UNTRAINED = "the model has networks with random weights (untrained): its labels are for tests only"

EXAMPLES = "examples"
"""Name of the state of the examples, if the model has any."""

IMAGES = "training-images"
"""Name of the state of the images that it was fitted on, if the model can be updated."""

FIGURES = ("calibration", "reliability", "novelty")
"""Names of the states of what makes answers trustworthy, and of the facts about it."""

LATER = ("updatable", "updates")
"""Entries of a manifest that models have which can be updated, or were."""


def _networks(
    model: Model, *, with_weights: bool
) -> tuple[list[BackboneRecord], dict[str, bytes | Path]]:
    """Return the records of the model's networks, and the files with their weights if requested."""
    records, files = [], dict[str, bytes | Path]()
    for each, revision in zip(model.backbones, model.revisions, strict=True):
        record, weights = describe_network(each, make_backbone(each), with_weights=with_weights)
        if record.revision != revision:
            raise WeightsError(
                f"{each.label} has changed since the model was fitted, from revision {revision!r} to "
                f"{record.revision!r}; train it again"
            )
        records.append(record)
        files |= weights
    return records, files


def _states_beside(model: Model) -> dict[str, State]:
    """Return the states of what a model has besides its stack."""
    states = {name: getattr(model, name).state() for name in FIGURES}
    if model.examples:
        states[EXAMPLES] = model.examples.state()
    if model.images is not None:
        states[IMAGES] = model.images.state()
    return states


def save_model(model: Model, path: Path, *, with_weights: bool = False, overwrite: bool = False) -> str:
    """Write a model to a bundle.

    Parameters
    ----------
    model : Model
        The model.
    path : Path
        Where to write it. Until it is complete, nothing has this name.
    with_weights : bool
        Whether the weights of the networks go into the bundle, so that it can be used without a
        download. Otherwise the manifest has their hashes.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    str
        SHA-256 that identifies the bundle.

    Raises
    ------
    UsageError
        If a component has no state that can be saved, or a network no file with its weights.
    BundleError
        If the file cannot be written.

    """
    stack = saved_stack(model.stack)
    states = stack.states | _states_beside(model)
    backbones, weights = _networks(model, with_weights=with_weights)
    examples = model.examples.files() if model.examples else {}
    files: dict[str, bytes | Path] = {**stack.files, **weights, **examples}
    facts = model.facts
    accuracy, provenance = facts.get("accuracy"), facts.get("provenance")
    manifest = Manifest(
        classes=model.classes,
        backbones=tuple(backbones),
        learners=tuple(stack.learners),
        aggregator=stack.aggregator,
        provenance=ProvenanceRecord(**provenance) if provenance else _UNKNOWN,
        accuracy=AccuracyRecord(**accuracy) if accuracy else None,
        **{name: facts.get(name, {}) for name in FIGURES},
        examples=model.examples.facts() if model.examples else {},
        pixels=facts.get("pixels", {}),
        licence=str(facts.get("licence", "")),
        updatable=facts.get("updatable", {}),
        updates=tuple(map(UpdateRecord.of, facts.get("updates", ()))),
    )
    return write_bundle(path, manifest, states, files, overwrite=overwrite)


_UNKNOWN = ProvenanceRecord(stackkit="", created="", dataset="", images=0)


def load_model(path: Path, registry: Registry, *, trust: Collection[str] = ()) -> Model:
    """Read a model from a bundle; nothing in the file is executed.

    Parameters
    ----------
    path : Path
        The bundle.
    registry : Registry
        The installed components.
    trust : collection of str
        Names of third parties' components whose classifiers may be loaded although they are no plain
        states.

    Returns
    -------
    Model
        Its networks are created, and their revisions compared, when they are first used.
        `facts["warnings"]` lists what the user should know, and `facts["sha256"]` identifies the file.

    Raises
    ------
    BundleError
        If the file is no bundle, is damaged, or its parts do not fit each other.
    PluginError
        If a component is not installed, or refuses its options or state.

    """
    with open_bundle(path) as bundle:
        manifest = bundle.manifest
        backbones = [
            restore_network(find_component(each.component, registry), each, bundle)
            for each in manifest.backbones
        ]
        stack = loaded_stack(bundle, registry, trust)
        model = Model(
            classes=manifest.classes,
            backbones=tuple(backbones),
            revisions=tuple(each.revision for each in manifest.backbones),
            stack=stack,
            calibration=_part(bundle, "calibration", Calibration.from_state),
            reliability=_part(bundle, "reliability", Reliability.from_state),
            novelty=_part(bundle, "novelty", NoveltyDetector.from_state),
            examples=_examples(bundle),
            images=_part(bundle, IMAGES, TrainingImages.from_state) if _has_images(manifest) else None,
            facts=_facts(bundle, [*backbones, *(e.component for e in stack.learners), stack.aggregator]),
        )
    _check_novelty(model.novelty, [each.feature_dim for each in manifest.backbones], path)
    return model


def _part(bundle: Bundle, name: str, restore: Callable[[State], T]) -> T:
    with _refused(name):
        return restore(bundle.state(name))


def _has_images(manifest: Manifest) -> bool:
    return bool(manifest.updatable.get("images"))


def _examples(bundle: Bundle) -> Examples | None:
    manifest = bundle.manifest
    if not manifest.examples:
        return None
    widths = [each.feature_dim for each in manifest.backbones]
    with _refused(EXAMPLES):
        return Examples.from_state(bundle.state(EXAMPLES), bundle.file, widths, len(manifest.classes))


@contextmanager
def _refused(name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(f"invalid {name} of the model: {error}") from error


def _facts(bundle: Bundle, components: Sequence[ConfiguredComponent]) -> Mapping[str, Any]:
    manifest = bundle.manifest
    document = manifest.document()
    records = [
        *(each.component for each in manifest.backbones),
        *(each.component for each in (*manifest.learners, manifest.aggregator)),
    ]
    warnings = [*map(other_version, records, components), "" if manifest.trained else UNTRAINED]
    names = ("accuracy", "provenance", "pixels", "licence", "examples", *FIGURES)
    later: dict[str, Any] = {name: document[name] for name in LATER if name in document}
    return {
        **{name: document[name] for name in names},
        **later,
        "sha256": bundle.digest,
        "untrained": not manifest.trained,
        "warnings": list(dict.fromkeys(filter(None, warnings))),
    }


def _check_novelty(novelty: NoveltyDetector, widths: Sequence[int], path: Path) -> None:
    """Refuse a model whose novelty is about other networks than its own."""
    found = [each.shape[1] for each in novelty.means]
    if found != list(widths):
        expected, got = (", ".join(map(str, each)) for each in (widths, found))
        raise BundleError(f"{path}: the novelty must be of {expected} features, got {got}")
