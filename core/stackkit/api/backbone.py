"""Frozen networks: the protocols that backbones implement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Backbone(Protocol):
    """A frozen network without its classification layers: images in, features out."""

    @property
    def image_size(self) -> int:
        """Height and width in pixels of the images that `extract` takes."""

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""

    @property
    def revision(self) -> str:
        """Identifies weights, architecture and preprocessing. Change it whenever the features change.

        It is part of the key under which features are stored.
        """

    @property
    def trained(self) -> bool:
        """False if the weights are random. Every output then says "untrained"."""

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the features of a batch of images.

        Parameters
        ----------
        images : ndarray of shape (n, image_size, image_size, 3), dtype uint8
            RGB, values from 0 to 255. Read-only, because all backbones of the same size share the array;
            `torch.tensor(images)` and `images.astype(...)` make copies.

        Returns
        -------
        ndarray of shape (n, feature_dim), dtype float32
            Finite values. Row i must depend on image i only.

        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How a backbone works on this machine; the result of `PreparableBackbone.prepare`.

    Attributes
    ----------
    settings : mapping
        Provenance that is stored with the features: a dict of JSON values, such as engine, device,
        precision and threads.
    batch_size : int
        Number of images that the backbone processes best at a time, > 0. All backbones of a run receive
        the same batches. The batch size is the largest that any of them requests, and at least 32; the
        last batch may be smaller. Split the batch in `extract` if it is too large.
    images_per_s : float or None
        Speed measured on this machine, > 0; None if it was not measured.

    """

    settings: Mapping[str, Any]
    batch_size: int
    images_per_s: float | None = None


@runtime_checkable
class PreparableBackbone(Backbone, Protocol):
    """A backbone that chooses its engine, device or batch size before it works. Optional."""

    def prepare(self, probe: NDArray[np.uint8], tell: Callable[[str], None]) -> Readiness:
        """Choose how to work on this machine. stackkit calls it once, before `extract`.

        Parameters
        ----------
        probe : ndarray of shape (n, image_size, image_size, 3), dtype uint8
            Real images of the run, 1 <= n <= 32.
        tell : callable
            Shows one line of text to the user, such as the reason why an engine is not used.

        Returns
        -------
        Readiness
            The settings that `extract` will use.

        """


@runtime_checkable
class PlanningBackbone(PreparableBackbone, Protocol):
    """A backbone that prepares itself according to how much there is to compute. Optional."""

    def expect(self, images: int) -> None:
        """Take note of how many images will be computed. stackkit calls it before `prepare`.

        Until then it decodes images, so what `prepare` will need can be started here already.

        Parameters
        ----------
        images : int
            Number of images, > 0.

        """


@runtime_checkable
class PortableBackbone(Backbone, Protocol):
    """A backbone whose weights are one file, which can travel inside a trained model. Optional."""

    @property
    def weights_file(self) -> Path | None:
        """The file with its weights, which is downloaded if necessary; None for random weights.

        See `BackboneSpec.weights_file`.
        """


@runtime_checkable
class JoinableBackbone(Backbone, Protocol):
    """A backbone that can compute the features of others along with its own. Optional.

    Several poolings of one network, say, are several backbones, and the network runs once for all of
    them. stackkit stores the features of each under its own key, exactly as if it had run alone, so they
    must be the same up to rounding (1e-5 of a row's norm).
    """

    @property
    def pass_key(self) -> str:
        """Equal for backbones that can be joined: same network, weights, image size, engine."""

    def join(self, others: Sequence[Any]) -> Backbone:
        """Return a backbone that computes the features of this one and of others.

        Parameters
        ----------
        others : sequence of JoinableBackbone
            Backbones of the same component with the same `pass_key`, at least one.

        Returns
        -------
        Backbone
            Its features are those of this backbone and of the others, in this order, side by side as
            columns. Its `expect` and `prepare` are called instead of theirs; its `revision` is not used.

        """
