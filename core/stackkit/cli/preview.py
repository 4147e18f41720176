"""Show what a run will do and how much time and disk it needs, before hours of work begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.filesize import decimal

from stackkit.api.reporter import Reporter
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.cli.progress import Style, clock, progress, rate
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.experiment.run import Choose
    from stackkit.extraction.estimate import BackboneEstimate, Estimate
    from stackkit.preview import Preview
    from stackkit.recipe import Recipe
    from stackkit.store import FeatureStore


EXCLUDED = "excluding start-up and, for `run`, evaluation"
UNKNOWN = "estimate    time and disk are unknown until the dataset is available"


def show_dry_run(
    recipe: Recipe,
    store: FeatureStore,
    style: Style,
    *,
    as_json: bool,
    evaluable: bool,
    choose: Choose | None = None,
    shard: tuple[int, int] | None = None,
) -> None:
    """Print the preview and the estimate of `run` (`evaluable`) or `extract`; `choose` as in `Steps`."""
    from stackkit.experiment.dry_run import dry_run
    from stackkit.host.registry import Registry

    registry = Registry(host=the_host())
    with stdout_set_aside(), progress(style) as reporter:
        found = dry_run(
            recipe, registry, store, reporter, evaluable=evaluable, choose=choose, shard=shard
        )
    if as_json:
        print_json(found.document())
        return
    expected = estimate_lines(found.estimate) if found.estimate else [UNKNOWN]
    for line in (*preview_lines(found.preview, evaluable=evaluable), *expected):
        say(line)


def show(reporter: Reporter, lines: Iterable[str]) -> None:
    """Show lines above the progress."""
    for line in lines:
        reporter.message(line)


def preview_lines(preview: Preview, *, evaluable: bool) -> Iterator[str]:
    """Yield a line for each component, the protocol, deprecations and the size of the features.

    `evaluable` is False for `extract`, which needs no learner, aggregator or protocol.
    """
    from stackkit.extraction.feature_set import views_of

    chosen = preview.components
    classes = "1 class" if preview.n_classes == 1 else f"{preview.n_classes} classes"
    images = f"{preview.n_images:,} images, {classes}"
    yield f"dataset     {chosen.dataset.label}: {preview.dataset_unavailable_reason or images}"
    if preview.recipe:
        yield f"recipe      {preview.recipe}"
    for named in preview.backbones:
        size, width = named.backbone.image_size, named.backbone.feature_dim
        views = f", {len(found)} views" if len(found := views_of(named)) > 1 else ""
        yield f"backbone    {named.label}: {size}x{size} pixels -> {width} features{views}"
    for named, unavailable_reason in zip(preview.backbones, preview.unavailable_reasons, strict=True):
        if unavailable_reason:
            yield f"missing     {named.label}: {unavailable_reason}"
    if evaluable:
        beside = ", ".join(choice.label for choice in chosen.baselines) or "none"
        stacked = ", ".join(choice.label for choice in chosen.learners)
        yield f"learner     {stacked}; baseline {beside}"
        yield f"aggregator  {', '.join(choice.label for choice in chosen.aggregators) or 'none'}"
        for protocol in preview.protocols:
            yield f"protocol    {protocol.title}"
    for choice in chosen.all if evaluable else (chosen.dataset, *chosen.backbones):
        for remark in choice.remarks:
            yield f"deprecated  {choice.label}: {remark}"
    if preview.dataset_unavailable_reason:
        yield f"store       {decimal(preview.image_bytes)} of features per image"
    else:
        yield f"store       {decimal(preview.feature_bytes)} of features at most"


def estimate_lines(estimate: Estimate) -> Iterator[str]:
    """Yield a line with the time of each backbone, the total time, and the disk space."""
    for one in estimate.backbones:
        yield f"estimate    {one.label}: {_time_of(one)}"
    if estimate.seconds:
        bound = "about" if estimate.is_complete else "at least"
        total = f"{bound} {clock(estimate.seconds)} in the networks"
        yield f"estimate    extraction takes {total}, {EXCLUDED}"
    disk = f"{decimal(estimate.new_bytes)} more on disk, {decimal(estimate.free_bytes)} free"
    yield f"estimate    {disk}" + ("" if estimate.fits else ": NOT ENOUGH")


def _time_of(one: BackboneEstimate) -> str:
    if one.unavailable_reason:
        return f"time unknown until it is available (at most {one.images:,} images)"
    if not one.images:
        return "nothing to compute"
    if one.seconds is None:
        return f"{one.images:,} images, speed not measured"
    return f"{one.images:,} images at {rate(one.images_per_s or 0)}/s: about {clock(one.seconds)}"
