"""`stackkit.FeatureExtractor`: a frozen network as a transformer of scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from stackkit.api.dataset import Sample
from stackkit.api.errors import ImageError
from stackkit.api.images import decode_image, file_fingerprint, read_image
from stackkit.api.pixels import PixelOptions
from stackkit.api.reporter import SilentReporter
from stackkit.api.rgb import rgb_of
from stackkit.evaluation.features import Features
from stackkit.evaluation.inputs import usable_features
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.decoding import Decoder
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.weights import require_weights
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.registry import Registry, with_machine
from stackkit.library.arguments import store_of
from stackkit.library.components import installed
from stackkit.library.images import GivenImage, given_images
from stackkit.prediction.image_list import ImageList
from stackkit.prediction.networks import Networks
from stackkit.recipe.given import check_count

_PIXELS = PixelOptions(orientation="exif")
"""How files are read: upright, as the dataset image-folder reads them."""

_NAME = "FeatureExtractor"
"""What the store calls the images."""


class FeatureExtractor(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns images into features of a frozen, pretrained network.

    `fit` learns nothing. Features of image files are kept in the store, so that cross-validation and
    grid search send each image through the network once.

    Parameters
    ----------
    backbone : str, default "efficientnet-lite0"
        Name and options of a backbone, such as "resnet50:pooling=max". If it has several views, their
        features are averaged.
    cache : bool, default True
        Keep the features of image files in the store. False keeps the network in memory instead, which
        is quicker for a few new images.
    store : str or os.PathLike, optional
        Folder of the store; by default `features` in STACKKIT_HOME.
    device : {"cpu", "gpu"}, optional
        Where the network computes; by default its own choice.
    threads : int, optional
        CPU threads of the network; by default all cores.

    See Also
    --------
    StackedClassifier : classifies several blocks of features.

    Notes
    -----
    The images may be paths, Pillow images, uint8 arrays of shape (height, width, 3) or (height, width),
    or the content of image files as bytes; only features of paths are kept. An image that cannot be read
    raises an ImageError, since a transformer must not leave out rows.

    """

    def __init__(
        self,
        backbone: str = "efficientnet-lite0",
        *,
        cache: bool = True,
        store: str | os.PathLike[str] | None = None,
        device: Literal["cpu", "gpu"] | None = None,
        threads: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.cache = cache
        self.store = store
        self.device = device
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing but check the images' types and the name of the backbone."""
        given_images(X)
        self._configured()
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the features of images.

        Parameters
        ----------
        X : sequence of n images
            See Notes of the class.

        Returns
        -------
        ndarray of shape (n, n_features), float32

        Raises
        ------
        UsageError
            If an image is of a type that cannot be used.
        ImageError
            If an image cannot be read.
        StackkitError
            If weights are missing, or the network fails.

        """
        images = given_images(X)
        if not images:
            return np.empty((0, self._n_features_out), dtype=np.float32)
        if self.cache and all(isinstance(each.source, str) for each in images):
            found = self._stored([str(each.source) for each in images])
        else:
            found = self._computed(images)
        self._width = found.shape[1]
        return found

    @property
    def _n_features_out(self) -> int:
        """Number of features, for `get_feature_names_out`."""
        if not hasattr(self, "_width"):
            self._width = self._opened().backbone.feature_dim
        width: int = self._width
        return width

    def set_params(self, **params: Any) -> Self:
        """Set parameters; an opened network is closed."""
        for name in _DERIVED:
            self.__dict__.pop(name, None)
        super().set_params(**params)
        return self

    def _configured(self) -> tuple[ConfiguredComponent, Registry]:
        check_count("threads", self.threads)
        registry = with_machine(installed(), self.device, self.threads)
        return registry.one("backbone", self.backbone), registry

    def _opened(self) -> CheckedBackbone:
        component, registry = self._configured()
        backbone = make_backbone(component)
        require_weights([component], [backbone], registry)
        return backbone

    def _stored(self, paths: Sequence[str]) -> NDArray[np.float32]:
        """Return features of image files by way of the store."""
        # Sorted and each once, so that the same images have one file in the store in whatever order.
        unique = sorted(set(paths))
        files, backbone, reporter = _Files(unique), self._opened(), SilentReporter()
        store = store_of({"store": self.store})
        rows, unreadable = fingerprints(_NAME, files, reporter)
        # Not strict: features of the images that can be read are kept, whatever the others are.
        if failed := unreadable or extract(files, rows, [backbone], store, reporter).failed:
            raise ImageError(f"{failed[0].id}: {failed[0].reason}")
        (found,) = usable_features(files, rows, [backbone], store).features
        places = {path: row for row, path in enumerate(unique)}
        return _averaged(found, np.array([places[path] for path in paths]))

    def _computed(self, images: Sequence[GivenImage]) -> NDArray[np.float32]:
        """Return features of images without the store."""
        if not hasattr(self, "_networks"):
            self._networks = Networks([self._opened()], SilentReporter())
        names = [each.name for each in images]
        listed = ImageList(sources=names, read=lambda number: _read(images[number]))
        parts, size = [], self._networks.chunk_size
        requests = (
            self._networks.first_look(range(start, min(start + size, len(images))))
            for start in range(0, len(images), size)
        )
        with Decoder(listed) as decoder:
            for chunk in decoder.chunks(requests):
                rows, features, last = self._networks.features(decoder, chunk, names)
                if failed := [*chunk.failed, *last.failed]:
                    name = names[int(failed[0].id)] or f"image {failed[0].id}"
                    raise ImageError(f"{name}: {failed[0].reason}")
                parts.append(_averaged(features[0], np.arange(len(rows))))
        return np.concatenate(parts)

    def __getstate__(self) -> dict[str, Any]:
        # An opened network stays in its process; another one opens it again.
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_networks"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


_DERIVED = ("_networks", "_width")


class _Files:
    """Image files as a `Dataset` of one class."""

    classes = ("images",)
    notes = ()

    def __init__(self, paths: Sequence[str]) -> None:
        self.samples = tuple(Sample(id=path, label=0) for path in paths)

    def image(self, i: int) -> Image.Image:
        return read_image(Path(self.samples[i].id), _PIXELS)

    def fingerprint(self, i: int) -> str:
        return file_fingerprint(Path(self.samples[i].id), _PIXELS)


def _read(image: GivenImage) -> Image.Image:
    if isinstance(image.source, bytes):
        return decode_image(image.source, image.name or "an image", _PIXELS)
    if isinstance(image.source, str):
        return read_image(Path(image.source), _PIXELS)
    return rgb_of(image.source, _PIXELS)


def _averaged(features: Features, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(features.take_average(rows))
