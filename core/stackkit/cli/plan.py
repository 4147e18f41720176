"""Show what is about to happen before hours of work begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackkit.types import Reporter

if TYPE_CHECKING:
    from stackkit.experiment import Plan


def show_plan(plan: Plan, reporter: Reporter) -> None:
    """Dataset, backbones, learners, protocol and disk space, a line each."""
    from rich.filesize import decimal

    chosen = plan.ingredients
    reporter.message(
        f"dataset     {chosen.dataset.text}: {plan.n_images:,} images, {plan.n_classes} classes"
    )
    for named in plan.backbones:
        size, width = named.backbone.image_size, named.backbone.feature_dim
        reporter.message(f"backbone    {named.label}: {size}x{size} pixels -> {width} features")
    baseline = chosen.baseline.text if chosen.baseline else "none"
    reporter.message(f"learner     {chosen.learner.text}, beside baseline {baseline}")
    reporter.message(f"aggregator  {', '.join(choice.text for choice in chosen.aggregators) or 'none'}")
    reporter.message(f"protocol    {plan.protocol.title}")
    reporter.message(f"store       {decimal(plan.feature_bytes)} of features at most")
