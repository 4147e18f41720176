"""`stackkit extract`: compute and store features, the first half of `stackkit run`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.cli import machine_options, options
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.cli.recipe_options import start_from
from stackkit.recipe import LOCAL, Recipe
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.extraction.summary import ExtractionSummary
    from stackkit.store import FeatureStore


def extract(
    dataset: options.Dataset,
    recipe: options.Recipe = None,
    backbones: options.Backbones = None,
    seed: options.Seed = None,
    strict: options.Strict = None,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    device: options.Device = None,
    threads: options.Threads = None,
    executor: machine_options.Executor = LOCAL,
    shard: machine_options.Shard = None,
    dry_run: options.DryRun = False,
    progress: options.Progress = "auto",
    as_json: options.Json = False,
) -> None:
    """Compute and store the features that are not stored yet.

    Stop it at any time: the same command resumes and computes nothing twice.

    Try: stackkit extract --dataset cub200 --backbones resnet50
    """
    from stackkit.store.shards import parse_shard

    options.check_count("--threads", threads)
    chosen = parse_shard(shard) if shard is not None else None
    composed = start_from(recipe, dataset, backbones=backbones, seed=seed, strict=strict)
    options.check_seed(composed.seed)
    composed = replace(composed, device=device, threads=threads, executor=executor)
    feature_store = options.feature_store(store, feature_dtype)
    if dry_run:
        from stackkit.cli.preview import show_dry_run

        show_dry_run(composed, feature_store, progress, as_json=as_json, evaluable=False, shard=chosen)
        return
    summary = _carry_out(composed, feature_store, progress, chosen)
    if as_json:
        print_json(_document(summary))
    else:
        _show(summary, feature_store.folder)


def _carry_out(
    recipe: Recipe, store: FeatureStore, style: Style, shard: tuple[int, int] | None
) -> ExtractionSummary:
    from stackkit.cli.preview import estimate_lines, preview_lines, show
    from stackkit.cli.progress import progress
    from stackkit.experiment.features import extract_features
    from stackkit.host.registry import Registry

    with stdout_set_aside(), progress(style) as reporter:
        return extract_features(
            recipe,
            Registry(host=the_host()),
            store,
            reporter,
            begin=lambda preview: show(reporter, preview_lines(preview, evaluable=False)),
            expect=lambda estimate: show(reporter, estimate_lines(estimate)),
            shard=shard,
        )


def _document(summary: ExtractionSummary) -> dict[str, Any]:
    from stackkit.report.image_notes import image_notes

    document = asdict(summary)
    del document["remarks"]  # one for each image
    suspect = [asdict(image) for image in summary.suspect]
    return document | {"suspect": suspect, "notes": [*image_notes(summary.remarks), *summary.notes]}


def _show(summary: ExtractionSummary, folder: Path) -> None:
    from stackkit.report.image_notes import image_notes

    for label, computed in summary.computed.items():
        say(f"{label}: {computed:,} images computed, {summary.reused[label]:,} were stored already")
    for failure in summary.failed:
        say(f"failed: {failure.id}: {failure.reason}")
    for suspect in summary.suspect:
        say(f"suspect: {suspect.id}: {suspect.reason}")
    for note in (*image_notes(summary.remarks), *summary.notes):
        say(f"- {note}")
    say(f"features: {folder}")
