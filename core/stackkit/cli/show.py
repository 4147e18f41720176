"""`stackkit show`: print what is in a trained model, without opening a network or a classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackkit.cli import options, values
from stackkit.cli.output import print_json
from stackkit.utils.console import padded, say

if TYPE_CHECKING:
    from stackkit.bundle import BackboneRecord, Bundle, ClassifierRecord, Manifest, UpdateRecord

_CLASSES = 12
"""Number of class names that are printed; --json has all of them."""


def show(
    model: Annotated[
        Path,
        typer.Argument(metavar="BUNDLE", parser=values.path, help="A trained model."),
    ],
    as_json: options.Json = False,
) -> None:
    """Show what a trained model is made of, and verify it.

    It prints classes, networks, classifiers, the accuracy to expect, and where the model comes from.
    Everything in the file is compared with its SHA-256. No network and no classifier is opened, and
    their plugins need not be installed.

    Try: stackkit show birds.stackkit
    """
    from stackkit.bundle import open_bundle

    with open_bundle(model) as bundle:
        bundle.verify()
        if as_json:
            sha256 = {"sha256_of_manifest": bundle.digest}
            print_json({"path": str(model), "bytes": bundle.size, **sha256, **bundle.document})
            return
        for name, text in _lines(bundle):
            say(f"{padded(name, 13)} {text}".rstrip())


def _lines(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield a heading and a text for each line; a text can be as long as the names in the file."""
    manifest = bundle.manifest
    untrained = "" if manifest.trained else " (untrained: its networks have random weights)"
    yield "model", f"{bundle.path}{untrained}"
    yield "size", f"{bundle.size / 1e6:,.1f} MB, {len(bundle.document['members'])} members, all intact"
    yield "accuracy", _accuracy(manifest)
    rest = len(manifest.classes) - _CLASSES
    more = f" and {rest} more (--json lists all)" if rest > 0 else ""
    yield "classes", f"{len(manifest.classes)}: {', '.join(manifest.classes[:_CLASSES])}{more}"
    for network in manifest.backbones:
        yield "network", _network(network)
    for learner in manifest.learners:
        backbone = manifest.backbones[learner.backbone].component.label
        yield "learner", f"{_classifier(learner)} on {backbone}"
    yield "aggregator", _classifier(manifest.aggregator)
    for name in ("calibration", "reliability", "novelty", "examples"):
        if figures := getattr(manifest, name):
            yield name, _figures(figures)
    source = manifest.provenance
    later = sum(each.images for each in manifest.updates)
    yield "dataset", f"{source.dataset}, {source.images - later:,} images"
    for each in manifest.updates:
        yield "updated", _update(each)
    if manifest.updatable:
        yield "updatable", "by stackkit train --update; it has statistics of its training images"
    yield "made", f"{source.created} by stackkit {source.stackkit}"
    if manifest.licence:
        yield "licence", manifest.licence
    yield "sha256", f"{bundle.digest} (of the manifest, which has that of everything else)"


def _accuracy(manifest: Manifest) -> str:
    found = manifest.accuracy
    if found is None:
        return "not measured"
    low, high = (f"{100 * end:.1f}" for end in found.interval)
    return (
        f"{100 * found.accuracy:.1f} % expected, {low} to {high} % with 95 % confidence "
        f"({found.images:,} images, {found.protocol})"
    )


def _update(update: UpdateRecord) -> str:
    new = update.new_classes
    named = f", new: {', '.join(new[:_CLASSES])}{' and more' if len(new) > _CLASSES else ''}"
    before = ""
    if update.before:
        before = f"; {100 * update.before.accuracy:.1f} % of {update.before.images:,} were right before"
    dropped = ", ".join(name for name, effect in update.effects.items() if effect == "dropped")
    return (
        f"{update.created} with {update.dataset}, {update.images:,} images{named if new else ''}{before}"
        f"{f'; dropped: {dropped}' if dropped else ''}"
    )


def _network(network: BackboneRecord) -> str:
    component, weights = network.component, network.weights
    where = "random weights" if not network.trained else "weights of its plugin"
    if weights:
        inside = "inside" if weights.member else f"not inside, SHA-256 {weights.sha256[:12]}..."
        where = f"weights {weights.name}, {weights.size / 1e6:,.1f} MB, {inside}"
    return (
        f"{component.label} ({component.distribution} {component.version}), "
        f"{network.image_size} pixels, {network.feature_dim:,} features, {where}"
    )


def _classifier(record: ClassifierRecord) -> str:
    component = record.component
    trust = ""
    if record.format == "skops":
        name = component.name.rpartition("/")[2]
        trust = f"; holds objects of a third party, which are loaded only with --trust {name}"
    return f"{component.label} ({component.distribution} {component.version}{trust})"


def _figures(figures: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in figures.items())


def _figure(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({_figures(value)})"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
