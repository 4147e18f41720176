"""The questions the host asks every plugin.

Each answer is an iterable of specs. FitResult must be cheap, pure and offline: the host asks
once per process and lists plugins without importing any framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pluggy

from stackkit.api.specs import AggregatorSpec, BackboneSpec, DatasetSpec, Kind, LearnerSpec

HOOKSPEC_VERSION = 1
"""Counts additions to the hooks and specs; they only grow."""

hookspec = pluggy.HookspecMarker("stackkit")
hookimpl = pluggy.HookimplMarker("stackkit")


@hookspec
def stackkit_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """The datasets this plugin offers."""


@hookspec
def stackkit_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """The backbones this plugin offers."""


@hookspec
def stackkit_learners() -> Iterable[LearnerSpec]:  # type: ignore[empty-body]
    """The base learners this plugin offers."""


@hookspec
def stackkit_aggregators() -> Iterable[AggregatorSpec]:  # type: ignore[empty-body]
    """The meta-aggregators this plugin offers."""


HOOKS: Mapping[str, Kind] = MappingProxyType(
    {
        "stackkit_datasets": "dataset",
        "stackkit_backbones": "backbone",
        "stackkit_learners": "learner",
        "stackkit_aggregators": "aggregator",
    }
)
