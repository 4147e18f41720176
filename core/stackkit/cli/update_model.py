"""`stackkit train --update`: add new images, or new classes, to a trained model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api.errors import UsageError
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.recipe import Recipe, changes
from stackkit.recipe.recipe import OPTIONS
from stackkit.recipe.recipe_file import PUBLISHED
from stackkit.utils.console import say
from stackkit.utils.figures import percent

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.experiment.saving import Saving
    from stackkit.experiment.update import Updated
    from stackkit.store import FeatureStore

_DROPPED = (
    "dropped     expected accuracy, and the thresholds of --target-precision: it is not known yet how "
    "well new classes are told from the old ones"
)
_SHOWN = 8
"""Number of new classes that are named."""


def update_model(
    bundle: Path,
    recipe: Recipe,
    saving: Saving,
    store: FeatureStore,
    style: Style,
    *,
    as_json: bool,
) -> None:
    """Update the model in `bundle`, write it as `saving` says, and say what it is now."""
    assert saving.path
    _refuse_other_settings(recipe)
    from stackkit.cli.preview import estimate_lines, preview_lines, show
    from stackkit.cli.progress import progress
    from stackkit.experiment.update import update
    from stackkit.host.registry import Registry
    from stackkit.model.saved import load_model, save_model

    with stdout_set_aside(), progress(style) as reporter:
        registry = Registry(host=the_host())
        model = load_model(bundle, registry)
        for warning in model.facts["warnings"]:
            reporter.message(f"warning: {warning}")
        found = update(
            model,
            recipe,
            registry,
            store,
            reporter,
            begin=lambda preview: show(reporter, preview_lines(preview, evaluable=False)),
            expect=lambda estimate: show(reporter, estimate_lines(estimate)),
        )
        updated = found.model
        if saving.licence:
            updated = replace(updated, facts={**updated.facts, "licence": saving.licence})
        inside = saving.with_weights or all(each.weights_file for each in model.backbones)
        digest = save_model(updated, saving.path, with_weights=inside, overwrite=saving.overwrite)
    if as_json:
        print_json(_document(found, saving.path, digest))
        return
    for line in _lines(found, saving.path):
        say(line)


def _refuse_other_settings(recipe: Recipe) -> None:
    """Refuse settings that the model has already, and that an update cannot change."""
    keys = [key for key in changes(recipe) if key != "strict"]
    given = [OPTIONS.get(key, f"--{key.replace('_', '-')}") for key in keys]
    given += ["--recipe"] if recipe.file.name != PUBLISHED else []
    if given:
        raise UsageError(
            f"{given[0]} cannot be combined with --update: an update keeps the networks and classifiers "
            "of the model and evaluates nothing; leave it out, or train a new model"
        )


def _document(found: Updated, path: Path, digest: str) -> dict[str, Any]:
    return {
        "path": str(path),
        "sha256": digest,
        "bytes": path.stat().st_size,
        "classes": list(found.model.classes),
        "accuracy": found.model.facts["accuracy"],
        "update": found.record,
        "failed": [{"id": each.id, "reason": each.reason} for each in found.failed],
    }


def _lines(found: Updated, path: Path) -> Iterator[str]:
    """Yield what the user should know about an updated model."""
    from rich.filesize import decimal

    model, record = found.model, found.record
    networks = ", ".join(each.label for each in model.backbones)
    size = decimal(path.stat().st_size)
    yield f"model       {path} ({size}): {model.stack.aggregator.label} on {networks}"
    yield f"added       {record['images']:,} images{_new_classes(record['new_classes'])}"
    if record["known_images"]:
        yield f"known       {record['known_images']:,} images were in the model already; not added again"
    for each in found.failed:
        yield f"failed      {each.id}: {each.reason}"
    yield from _test_lines(record["before"], record["figures"])
    if record["effects"].get("reliability") == "dropped":
        yield _DROPPED
    yield f"next        stackkit predict {path} photos/"


def _test_lines(before: Mapping[str, Any] | None, figures: Mapping[str, float]) -> Iterator[str]:
    """Yield how well the model before the update did on the new images."""
    if before:
        low, high = before["interval"]
        yield (
            f"tested      {percent(before['accuracy'])} [{percent(low)}, {percent(high)}] of "
            f"{before['images']:,} new images of known classes were right, before they were added"
        )
        yield (
            f"calibration log-loss {figures['log_loss']:.3f}, expected calibration error "
            f"{percent(figures['ece'])} on these images"
        )
    if "novel_new" in figures:
        yield (
            f"novelty     {percent(figures['novel_new'])} of the images of new classes looked unlike "
            "everything in training, before they were added"
        )


def _new_classes(names: tuple[str, ...]) -> str:
    if not names:
        return " of known classes"
    rest = len(names) - _SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return f", with {len(names)} new class(es): {', '.join(names[:_SHOWN])}{more}"
