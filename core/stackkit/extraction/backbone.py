"""A backbone by the name users see, whose answers are checked, whoever wrote it."""

from __future__ import annotations

import hashlib
import json
import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex, cast

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.api.errors import ExtractionError, UsageError, WeightsError, blaming
from stackkit.api.types import Backbone, PreparableBackbone, Readiness
from stackkit.host.component import Component, ConfiguredComponent, describe
from stackkit.host.registry import Registry
from stackkit.store import BackboneKey
from stackkit.utils.versions import dependency_versions, source_digest, versions

UNPREPARED = Readiness(settings={}, batch_size=32)
"""What is known of a backbone that settles nothing beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBackbone:
    """A backbone with the label users see and the qualified name that the store keys by.

    `code` is the digest of a plugin in a single file: such a file is edited and run again, and its
    revision soon forgotten, so that features belong to its code as well.
    `maker` tells a stranger's code and options from any others, see `vouching`; "" is stackkit's own.
    """

    label: str
    qualified_name: str
    backbone: Backbone
    provenance: Mapping[str, Any]
    code: str = ""
    maker: str = ""

    @property
    def plugin(self) -> str:
        """The plugin that it comes from."""
        return self.qualified_name.partition("/")[0]

    @property
    def distribution(self) -> str:
        """The distribution, or the file, that is to blame for it."""
        return str(self.provenance["component"]["distribution"])

    @property
    def key(self) -> BackboneKey:
        """The store's key. Reading it may make the backbone download its weights."""
        return BackboneKey(
            name=self.qualified_name,
            revision=f"{self.backbone.revision} {self.code}" if self.code else self.backbone.revision,
            image_size=self.backbone.image_size,
            feature_dim=self.backbone.feature_dim,
            trained=self.backbone.trained,
        )

    def prepare(self, probe: NDArray[np.uint8], tell: Callable[[str], None]) -> Readiness:
        """How the backbone is going to work, settled on (n, size, size, 3) uint8 images, n 1 to 32.

        Raises ExtractionError that names the backbone if it fails or settles what makes no sense.
        """
        if not hasattr(self.backbone, "prepare"):  # isinstance would read every property, blaming nobody
            return UNPREPARED
        with self._blamed():
            return _checked(cast(PreparableBackbone, self.backbone).prepare(probe, tell))

    def images_per_s(self, probe: NDArray[np.uint8]) -> float:
        """Measured on (n, size, size, 3) uint8 images, for a backbone that did not do so itself."""
        self.features(probe)  # the first call may build a network
        start = time.perf_counter()
        self.features(probe)
        return len(probe) / max(time.perf_counter() - start, 1e-9)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 -> (n, feature_dim) float32 in an array of the caller's own.

        Raises ExtractionError that names the backbone if it fails or returns anything else.
        """
        with self._blamed():
            features = self.backbone.extract(pixels)
        wanted = (len(pixels), self.backbone.feature_dim)
        if not isinstance(features, np.ndarray):
            raise ExtractionError(
                f"{self.blame} must return a NumPy array and returned {type(features)}"
            )
        if features.shape != wanted or features.dtype != np.float32:
            came = f"{features.shape} {features.dtype}"
            raise ExtractionError(f"{self.blame} must return {wanted} float32 and returned {came}")
        return features.copy()  # it is written while the backbone may fill its buffer anew

    @property
    def blame(self) -> str:
        """The label and the distribution at fault, to begin an error with."""
        return f"{self.label} (from {self.distribution})"

    def _blamed(self) -> AbstractContextManager[None]:
        return blaming(lambda text: ExtractionError(f"{self.blame} failed: {text}"))


def _checked(readiness: Readiness) -> Readiness:
    """The same, its batch size a plain int; raises TypeError or ValueError if it makes no sense."""
    if not isinstance(readiness, Readiness):
        raise TypeError(f"prepare must return a Readiness and returned {type(readiness).__name__}")
    if not isinstance(readiness.settings, dict):
        raise TypeError(f"settings are a {type(readiness.settings).__name__}; a dict is wanted")
    json.dumps(readiness.settings)
    size = readiness.batch_size
    if not (isinstance(size, SupportsIndex) and size >= 1):
        raise ValueError(f"batch_size {size!r}: a whole number above 0 is wanted")
    rate = readiness.images_per_s
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise ValueError(f"images_per_s {rate!r}: a finite number above 0, or None, is wanted")
    return replace(readiness, batch_size=operator.index(size))


def make_backbone(choice: ConfiguredComponent) -> CheckedBackbone:
    """A backbone by the label users see; its weights need not be there yet."""
    backbone = choice.create()
    with choice.blamed():
        trained = backbone.trained
        size, width = backbone.image_size, backbone.feature_dim
        if not (operator.index(size) > 0 and operator.index(width) > 0):
            raise ValueError(f"image_size {size} and feature_dim {width}: positive numbers are wanted")
    provenance = {
        "component": describe([choice])[0],
        "stackkit": __version__,
        "versions": versions(),
        "untrained": not trained,
    }
    return CheckedBackbone(
        label=choice.text if trained else f"{choice.text} (untrained)",
        qualified_name=choice.component.qualified_name,
        backbone=backbone,
        provenance=provenance,
        code=choice.component.code,
        maker="" if choice.component.is_own else _maker(choice),
    )


def _maker(choice: ConfiguredComponent) -> str:
    """A digest of what computes a stranger's features: its code, what that needs, and every option."""
    component = choice.component
    code = component.code or source_digest(component.spec.factory.partition(":")[0])
    needed = dependency_versions(component.distribution)
    content = [component.distribution, component.version, code, needed, dict(choice.options)]
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()


def require_weights(
    choices: Sequence[ConfiguredComponent], named: Sequence[CheckedBackbone], registry: Registry
) -> None:
    """Have every backbone's weights at hand, downloading them if need be.

    Raises WeightsError that says which backbones can run now, and UsageError if two backbones
    are one: a feature that counts twice would pass for a gain.
    """
    keys: dict[BackboneKey, str] = {}
    for choice, backbone in zip(choices, named, strict=True):
        try:
            with choice.blamed():
                key = backbone.key
        except WeightsError as error:
            ready = [registry.short_name(c) for c in registry.of_kind("backbone") if _ready(registry, c)]
            raise WeightsError(
                f"{error}. Backbones that can run now: {', '.join(ready) or 'none'}"
            ) from error
        if key in keys:
            raise UsageError(
                f"{keys[key]} and {backbone.label} are one revision, {key.revision!r}, and count as the "
                "same features; name one of them (if they differ, the plugin's revision must tell)"
            )
        keys[key] = backbone.label


def _ready(registry: Registry, component: Component) -> bool:
    return registry.default(component).unavailable_reason() is None
