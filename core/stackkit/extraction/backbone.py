"""Create a backbone and check everything that it returns."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.api.backbone import (
    Backbone,
    JoinableBackbone,
    PlanningBackbone,
    PreparableBackbone,
    Readiness,
)
from stackkit.api.errors import ExtractionError, blaming
from stackkit.extraction.code_digest import code_digest
from stackkit.extraction.readiness import DEFAULT_READINESS, checked_readiness
from stackkit.host.configured_component import ConfiguredComponent, describe
from stackkit.store import BackboneKey
from stackkit.utils.versions import versions

UNTRAINED = " (untrained)"
"""End of the label of a backbone with random weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBackbone:
    """A backbone with the names that users and the store know it by; its results are checked.

    Parameters
    ----------
    label : str
        Canonical text with options, as shown to users; "(untrained)" is added for random weights.
    qualified_name : str
        "plugin/name", part of the store's key.
    backbone : Backbone
        The backbone of the plugin.
    provenance : mapping
        JSON object that describes the origin of its features. It is stored with them.
    code : str
        Digest of everything that computes the features of a third-party backbone, see
        `code_digest`, and part of the store's key. "" for stackkit's own backbones, whose revisions
        its tests check.
    resize : {"squash", "crop", "pad"}
        How images become squares.
    views : tuple of str
        Values of the option `views`: what the backbone sees besides whole images.
    boxes : CheckedBackbone or None
        The backbone that finds the boxes for the view "attention".
    label_on_whole_images : str
        The label without views; "" if it has none.
    boxes_named : str
        The backbone that the user named to find boxes, as text; "" for the backbone itself.
    gives_boxes : bool
        Its features are boxes. They are stored exactly, because the features of the parts of images that
        they enclose depend on every digit.
    component : ConfiguredComponent or None
        What made it, with its views; None if something else did, and workers cannot make it.

    """

    label: str
    qualified_name: str
    backbone: Backbone
    provenance: Mapping[str, Any]
    code: str = ""
    resize: str = "squash"
    views: tuple[str, ...] = ()
    boxes: CheckedBackbone | None = None
    label_on_whole_images: str = ""
    boxes_named: str = ""
    gives_boxes: bool = False
    component: ConfiguredComponent | None = None

    @property
    def distribution(self) -> str:
        """The distribution, or the path of the single file, that the backbone comes from."""
        return str(self.provenance["component"]["distribution"])

    @property
    def image_size(self) -> int:
        """Side in pixels of the square images that the backbone takes."""
        return self.backbone.image_size

    @property
    def declared_key(self) -> BackboneKey:
        """The key without the digest of the code. Reading it may download the weights."""
        return BackboneKey(
            name=self.qualified_name,
            revision=self.backbone.revision,
            image_size=self.backbone.image_size,
            feature_dim=self.backbone.feature_dim,
            trained=self.backbone.trained,
            resize=self.resize,
            exact=self.gives_boxes,
        )

    @property
    def key(self) -> BackboneKey:
        """The key of the store. Reading it may download the weights."""
        key = self.declared_key
        return replace(key, revision=f"{key.revision} {self.code}") if self.code else key

    @property
    def pass_key(self) -> tuple[object, ...] | None:
        """Equal for backbones that can be `joined`; None if it cannot be. May read the weights."""
        if not hasattr(self.backbone, "pass_key"):
            return None
        with self._blamed():
            own = cast(JoinableBackbone, self.backbone).pass_key
        return self.qualified_name, self.code, self.image_size, self.resize, own

    def joined(self, others: Sequence[CheckedBackbone]) -> CheckedBackbone:
        """Return a backbone whose columns are the features of this one and of others, side by side.

        Parameters
        ----------
        others : sequence of CheckedBackbone
            Backbones with the same `pass_key`; without any the backbone itself is returned.

        Raises
        ------
        ExtractionError
            If the backbone fails, or the result has another size or number of features.

        """
        if not others:
            return self
        parts = [self, *others]
        width = sum(part.backbone.feature_dim for part in parts)
        with self._blamed():
            backbone = cast(JoinableBackbone, self.backbone).join([part.backbone for part in others])
            if (backbone.image_size, backbone.feature_dim) != (self.image_size, width):
                raise ValueError(
                    f"join must return a backbone for images of {self.image_size} pixels with {width} "
                    f"features, got {backbone.image_size} pixels and {backbone.feature_dim} features"
                )
        return replace(self, label=" and ".join(part.label for part in parts), backbone=backbone)

    def expect(self, images: int) -> None:
        """Tell the backbone how many images it will compute, before it is prepared."""
        if hasattr(self.backbone, "expect"):
            with self._blamed():
                cast(PlanningBackbone, self.backbone).expect(images)

    def prepare(self, images: NDArray[np.uint8], report: Callable[[str], None]) -> Readiness:
        """Let the backbone choose how to work: engine, device, batch size.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            Images of the dataset to try it on; n is from 1 to 32.
        report : callable
            Called with lines that the user should read.

        Returns
        -------
        Readiness
            What it chose.

        Raises
        ------
        ExtractionError
            If the backbone fails or returns something invalid; the error names it.

        """
        # Not isinstance with PreparableBackbone: that reads every property of the backbone, and an error
        # in one of them would not be attributed to it.
        if not hasattr(self.backbone, "prepare"):
            return DEFAULT_READINESS
        with self._blamed():
            return checked_readiness(cast(PreparableBackbone, self.backbone).prepare(images, report))

    def images_per_s(self, images: NDArray[np.uint8]) -> float:
        """Measure the speed on (n, size, size, 3) uint8 images, in images per second."""
        self.features(images)  # not timed: the first call may build a network
        start = time.perf_counter()
        self.features(images)
        return len(images) / max(time.perf_counter() - start, 1e-9)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute features.

        Parameters
        ----------
        images : ndarray of shape (n, size, size, 3), uint8
            RGB images; read-only, since backbones of one size share them.

        Returns
        -------
        ndarray of shape (n, feature_dim), float32
            A new array, which the backbone has no reference to.

        Raises
        ------
        ExtractionError
            If the backbone fails or returns anything else; the error names it.

        """
        with self._blamed():
            features = self.backbone.extract(images)
        expected = (len(images), self.backbone.feature_dim)
        if not isinstance(features, np.ndarray):
            raise ExtractionError(
                f"{self.full_name} must return a NumPy array, got {type(features).__name__}"
            )
        if features.shape != expected or features.dtype != np.float32:
            raise ExtractionError(
                f"{self.full_name} must return features of shape {expected} and dtype float32, got "
                f"shape {features.shape} and dtype {features.dtype}"
            )
        # A copy, because the writer thread stores the features while the backbone may already fill the
        # same buffer again.
        return features.copy()

    @property
    def full_name(self) -> str:
        """The label and the distribution, for the beginning of an error message."""
        return f"{self.label} (from {self.distribution})"

    def _blamed(self) -> AbstractContextManager[None]:
        return blaming(
            lambda text: ExtractionError(f"{self.full_name} failed: {text}"), f"backbone {self.label}"
        )


def make_backbone(component: ConfiguredComponent) -> CheckedBackbone:
    """Create the backbone of a component. Its weights need not be available yet.

    Raises
    ------
    PluginError
        If the plugin fails, or image size or number of features are invalid.

    """
    backbone = component.create()
    with component.blamed():
        # Not the revision: it may need the weights, which `require_weights` downloads later.
        trained = backbone.trained
        size, width = backbone.image_size, backbone.feature_dim
        if not (operator.index(size) > 0 and operator.index(width) > 0):
            raise ValueError(f"image_size and feature_dim must be integers > 0, got {size} and {width}")
    whole = component.on_whole_images  # views have no influence on the features of each other
    provenance = {
        "component": describe([whole])[0],
        "stackkit": __version__,
        "versions": versions(),
        "untrained": not trained,
    }
    untrained = "" if trained else UNTRAINED
    return CheckedBackbone(
        label=f"{component.label}{untrained}",
        qualified_name=component.component.qualified_name,
        backbone=backbone,
        provenance=provenance,
        code=code_digest(component),
        resize=component.resize,
        views=component.views,
        boxes=_make_finder(component.boxes) if component.boxes else None,
        label_on_whole_images=f"{whole.label}{untrained}" if component.views else "",
        boxes_named=str(component.host_options.get("boxes", "")),
        gives_boxes=component.gives_boxes,
        component=component,
    )


def _make_finder(component: ConfiguredComponent) -> CheckedBackbone:
    """Create a backbone whose features are boxes."""
    finder = make_backbone(component)
    with component.blamed():
        if finder.backbone.feature_dim != 4:
            raise ValueError(
                f"boxes have 4 features: x, y, width, height; got {finder.backbone.feature_dim}"
            )
    return finder
