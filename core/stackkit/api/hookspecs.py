"""The hooks that stackkit calls in every plugin.

Each hook returns an iterable of specs. A hook must be fast, need no network and import no framework:
stackkit calls it once per process, also when it only lists plugins. Specs name their factories as
text, so slow imports belong in the module of the factory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pluggy

from stackkit.api.specs import AggregatorSpec, BackboneSpec, DatasetSpec, ExecutorSpec, Kind, LearnerSpec

HOOKSPEC_VERSION = 1
"""Counts the releases that added hooks, specs or fields; nothing is removed without deprecation."""

hookspec = pluggy.HookspecMarker("stackkit")
hookimpl = pluggy.HookimplMarker("stackkit")


@hookspec
def stackkit_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the datasets that this plugin offers.

    Returns
    -------
    iterable of DatasetSpec
        One spec per dataset, each with a different name.

    """


@hookspec
def stackkit_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """Return the backbones that this plugin offers.

    Returns
    -------
    iterable of BackboneSpec
        One spec per backbone, each with a different name.

    """


@hookspec
def stackkit_learners() -> Iterable[LearnerSpec]:  # type: ignore[empty-body]
    """Return the base learners that this plugin offers.

    Returns
    -------
    iterable of LearnerSpec
        One spec per learner, each with a different name.

    """


@hookspec
def stackkit_aggregators() -> Iterable[AggregatorSpec]:  # type: ignore[empty-body]
    """Return the aggregators (meta-classifiers) that this plugin offers.

    Returns
    -------
    iterable of AggregatorSpec
        One spec per aggregator, each with a different name.

    """


@hookspec
def stackkit_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Return the executors that this plugin offers.

    Returns
    -------
    iterable of ExecutorSpec
        One spec per executor, each with a different name.

    """


# Read-only, because plugins run in the same process and could change it.
HOOKS: Mapping[str, Kind] = MappingProxyType(
    {
        "stackkit_datasets": "dataset",
        "stackkit_backbones": "backbone",
        "stackkit_learners": "learner",
        "stackkit_aggregators": "aggregator",
        "stackkit_executors": "executor",
    }
)
"""The kind of component that each hook returns."""
