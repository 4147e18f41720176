"""Show what is about to happen, and what it is going to take, before hours of work begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer
from rich.filesize import decimal

from stackkit.api.types import Reporter
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.cli.progress import Style, clock, progress, rate

if TYPE_CHECKING:
    from stackkit.extraction.estimate import BackboneEstimate, Estimate
    from stackkit.preview import Preview
    from stackkit.recipe import Recipe
    from stackkit.store import FeatureStore


BESIDES = "start-up, and evaluation in `run`, come on top"
UNKNOWN = "expected    time and disk are unknown until the dataset is here"


def predict(
    recipe: Recipe, store: FeatureStore, style: Style, *, as_json: bool, evaluable: bool
) -> None:
    """Print the plan and what it is going to take; `evaluable`: of `run`, else of `extract`."""
    from stackkit import experiment
    from stackkit.host.registry import Registry

    registry = Registry(host=the_host())
    with stdout_set_aside(), progress(style) as reporter:
        dry_run = experiment.dry_run(recipe, registry, store, reporter, evaluable=evaluable)
    if as_json:
        print_json(dry_run.document())
        return
    expected = forecast_lines(dry_run.estimate) if dry_run.estimate else [UNKNOWN]
    for line in (*plan_lines(dry_run.preview, evaluable=evaluable), *expected):
        typer.echo(line)


def tell(reporter: Reporter, lines: Iterable[str]) -> None:
    """Show lines while work goes on."""
    for line in lines:
        reporter.message(line)


def plan_lines(preview: Preview, *, evaluable: bool) -> Iterator[str]:
    """Dataset, backbones, learners, protocol and disk space, a line each.

    Learners, aggregators and protocol count only if figures are going to be made (`evaluable`).
    """
    chosen = preview.components
    images = f"{preview.n_images:,} images, {preview.n_classes} classes"
    yield f"dataset     {chosen.dataset.text}: {preview.dataset_unavailable_reason or images}"
    for named in preview.backbones:
        size, width = named.backbone.image_size, named.backbone.feature_dim
        yield f"backbone    {named.label}: {size}x{size} pixels -> {width} features"
    for named, unavailable_reason in zip(preview.backbones, preview.unavailable_reasons, strict=True):
        if unavailable_reason:
            yield f"lacking     {named.label}: {unavailable_reason}"
    if evaluable:
        beside = ", ".join(choice.text for choice in chosen.baselines) or "none"
        yield f"learner     {chosen.learner.text}, beside baseline {beside}"
        yield f"aggregator  {', '.join(choice.text for choice in chosen.aggregators) or 'none'}"
        yield f"protocol    {preview.protocol.title}"
    for choice in chosen.all if evaluable else (chosen.dataset, *chosen.backbones):
        for remark in choice.remarks:
            yield f"deprecated  {choice.text}: {remark}"
    if preview.dataset_unavailable_reason:
        yield f"store       {decimal(sum(preview.row_bytes))} of features per image"
    else:
        yield f"store       {decimal(preview.feature_bytes)} of features at most"


def forecast_lines(forecast: Estimate) -> Iterator[str]:
    """Time per backbone and in all, and disk space, a line each."""
    for one in forecast.backbones:
        yield f"expected    {one.label}: {_time_of(one)}"
    if forecast.seconds:
        bound = "about" if forecast.is_complete else "at least"
        yield f"expected    extraction {bound} {clock(forecast.seconds)} in the networks; {BESIDES}"
    room = f"{decimal(forecast.new_bytes)} more on disk, {decimal(forecast.free_bytes)} are free"
    yield f"expected    {room}" + ("" if forecast.fits else ": TOO LITTLE")


def _time_of(one: BackboneEstimate) -> str:
    if one.unavailable_reason:
        return f"time unknown, for it has to be here to be timed ({one.images:,} images at most)"
    if not one.images:
        return "nothing to compute"
    if one.seconds is None:
        return f"{one.images:,} images, speed not measured"
    return f"{one.images:,} images at {rate(one.images_per_s or 0)}/s: about {clock(one.seconds)}"
