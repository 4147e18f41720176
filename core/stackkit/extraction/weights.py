"""Make the weights of all backbones available before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from stackkit.api.errors import UsageError, WeightsError
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.registry import Registry


def require_weights(
    components: Sequence[ConfiguredComponent], backbones: Sequence[CheckedBackbone], registry: Registry
) -> None:
    """Make the weights of every backbone available, downloading them if necessary.

    Parameters
    ----------
    components, backbones : sequence
        The components and the backbones made from them, in the same order.
    registry : Registry
        All components, to suggest backbones that can run.

    Raises
    ------
    WeightsError
        If weights are missing. The message lists the backbones that can run now.
    UsageError
        If two backbones declare the same features: a stack would count them twice, and take that for
        an improvement.

    """
    labels: dict[tuple[object, ...], str] = {}
    for component, backbone in zip(components, backbones, strict=True):
        try:
            with component.blamed():
                # The declared key, because the digest in the other one differs by options that the
                # plugin itself declares to change nothing.
                key = backbone.declared_key
                boxes = backbone.boxes.declared_key if backbone.boxes else None
        except WeightsError as error:
            ready = [
                registry.short_name(each)
                for each in registry.of_kind("backbone")
                if registry.default(each).unavailable_reason() is None
            ]
            raise WeightsError(
                f"{error}. Backbones that can run now: {', '.join(ready) or 'none'}"
            ) from error
        features = (key, frozenset(backbone.views), boxes)
        if features in labels:
            raise UsageError(
                f"{labels[features]} and {backbone.label} have the same revision, {key.revision!r}, and "
                "count as the same features; remove one of them (if their features differ, the plugin "
                "must give them different revisions)"
            )
        labels[features] = backbone.label
