"""Label images with a model: decoded on threads, computed in batches, one record per image, in order."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from stackkit.api.common_options import pixel_options
from stackkit.api.dataset import FailedImage
from stackkit.api.errors import BundleError, ImageError, UsageError
from stackkit.api.images import decode_image, read_image
from stackkit.api.pixels import ImageRemark, PixelOptions
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.api.rgb import rgb_of
from stackkit.evaluation.features import Features
from stackkit.extraction.decoding import Chunk, Decoder, Request
from stackkit.model.model import Model
from stackkit.prediction.acceptance import acceptance
from stackkit.prediction.image_list import ImageList
from stackkit.prediction.image_sources import missing_reason, shown
from stackkit.prediction.networks import Networks, on_machine, open_backbones
from stackkit.prediction.record import Prediction
from stackkit.prediction.records import records
from stackkit.prediction.rows import Result

if TYPE_CHECKING:
    from PIL import Image

Results: TypeAlias = Generator[Result, None, None]
"""Results one by one; closing it ends the threads that read images."""


class Predictor:
    """Labels images with a model; several threads may use it, and they take turns.

    Parameters
    ----------
    model : Model
        The model. Its networks are opened when they are first needed, or by `warm`.
    top : int, default 5
        How many of the most probable classes each record has.
    min_confidence : float or None
        Probability from which a label is accepted, from 0 to 1.
    target_precision : float or None
        Accept labels so that this share of the accepted ones is expected to be right, as found on images
        that were left out in training. Not together with `min_confidence`.
    device : {"cpu", "gpu"} or None
        Where networks compute; None for their own choice.
    threads : int or None
        CPU threads per network; None for all cores.
    reporter : Reporter
        Receives what networks say while they are opened.

    Attributes
    ----------
    acceptance : Acceptance or None
        Which labels are accepted, and what is expected of that; None if all are.
    pixels : PixelOptions
        How image files are read.

    Raises
    ------
    UsageError
        If an argument is out of range.

    """

    def __init__(
        self,
        model: Model,
        *,
        top: int = 5,
        min_confidence: float | None = None,
        target_precision: float | None = None,
        device: str | None = None,
        threads: int | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        if top < 1:
            raise UsageError(f"top must be at least 1, got {top}")
        self.model = model
        self.top = min(top, len(model.classes))
        self.acceptance = acceptance(model, min_confidence, target_precision)
        self._least = self.acceptance.confidence if self.acceptance else 0.0
        self.pixels = pixels_of(model)
        self._machine = device, threads
        self._reporter = reporter or SilentReporter()
        self._opened: Networks | None = None
        self._lock = threading.RLock()

    def asking(
        self,
        *,
        top: int = 5,
        min_confidence: float | None = None,
        target_precision: float | None = None,
    ) -> Predictor:
        """Return a predictor with other parameters that shares the networks of this one."""
        other = Predictor(
            self.model, top=top, min_confidence=min_confidence, target_precision=target_precision
        )
        with self._lock:
            other._opened, other._lock = self._networks, self._lock
        return other

    def warm(self) -> None:
        """Open the networks and label an image of noise, so that the next image waits for nothing."""
        from PIL import Image

        coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        self.predict([Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)])

    def read(self, source: Path | bytes, name: str = "") -> Image.Image:
        """Read an image file, or the bytes of one, as the images of the training data were read.

        Raises
        ------
        ImageError or OSError
            If it cannot be read.

        """
        if isinstance(source, bytes):
            return decode_image(source, name, self.pixels)
        return read_image(source, self.pixels)

    def features(self, images: Sequence[Image.Image]) -> list[Features]:
        """Compute the features of images in memory.

        Parameters
        ----------
        images : sequence of PIL.Image.Image
            At least one image, of any mode and size.

        Returns
        -------
        list of Features
            One entry per backbone of the model; row i of each describes image i.

        Raises
        ------
        ImageError
            If the pixels of an image cannot be used.
        StackkitError
            If weights are missing or others than in training, or a network fails.

        """
        if not images:
            raise UsageError("features of no images were asked for; give at least one image")
        found = [features for _, features, _ in self._computed(self._list(images), strict=True)]
        return [_joined(parts) for parts in zip(*found, strict=True)]

    def predict(
        self, images: Sequence[Image.Image], sources: Sequence[str] | None = None
    ) -> list[Prediction]:
        """Label images in memory.

        Parameters
        ----------
        images : sequence of PIL.Image.Image
            Images of any mode and size.
        sources : sequence of str, optional
            Their names in the records; "" by default.

        Raises
        ------
        ImageError
            If the pixels of an image cannot be used.
        StackkitError
            As for `features`.

        """
        found = self.stream(self._list(images, sources), strict=True)
        return [each for each in found if isinstance(each, Prediction)]

    def predict_files(self, paths: Sequence[str | Path]) -> Results:
        """Yield a record for each image file, in order, in memory that does not grow with their number.

        A file that cannot be read gives a FailedImage with its path as `id`. Sources are the paths as
        `image_sources.shown` makes them readable.
        """
        names = [shown(str(path)) for path in paths]
        return self.stream(ImageList(sources=names, read=lambda number: self._file(paths[number])))

    def stream(self, images: ImageList, *, strict: bool = False) -> Results:
        """Yield a record or a failure for each image, in order; `strict` raises ImageError instead."""
        for chunk, features, failed in self._computed(images, strict=strict):
            labelled = iter(self._records(images, chunk, features) if features else ())
            for number in chunk.numbers:
                yield failed[number] if number in failed else next(labelled)

    def _file(self, path: str | Path) -> Image.Image:
        try:
            return self.read(Path(path))
        except ImageError as error:
            if reason := missing_reason(str(path)):
                raise ImageError(reason) from error
            raise

    def answer(
        self,
        features: Sequence[Features],
        sources: Sequence[str],
        remarks: Sequence[Sequence[ImageRemark]] | None = None,
    ) -> list[Prediction]:
        """Return the records of images whose features are known, one entry per backbone."""
        with self._lock:
            answers = self.model.answer(features)
        on_images = remarks or [()] * len(sources)
        return records(self.model, answers, sources, on_images, top=self.top, least=self._least)

    def _records(
        self, images: ImageList, chunk: Chunk, features: Sequence[Features]
    ) -> list[Prediction]:
        remarks = [chunk.remarks[str(row)] for row in chunk.rows]
        return self.answer(features, [images.sources[row] for row in chunk.rows], remarks)

    def _computed(
        self, images: ImageList, *, strict: bool
    ) -> Iterator[tuple[Chunk, list[Features], dict[int, FailedImage]]]:
        """Yield chunks of images, the features of those that could be read, and the others."""
        with Decoder(images) as decoder:
            for chunk in decoder.chunks(self._requests(len(images.sources))):
                with self._lock:
                    rows, features, last = self._networks.features(decoder, chunk, images.sources)
                failed = {
                    int(each.id): FailedImage(id=images.sources[int(each.id)], reason=each.reason)
                    for each in {*chunk.failed, *last.failed}
                }
                if strict and failed:
                    raise _error(failed[min(failed)])
                yield _narrowed(chunk, rows), features, failed

    def _requests(self, count: int) -> Iterator[Request]:
        start = 0
        while start < count:
            with self._lock:
                networks = self._networks
                size = networks.chunk_size  # known once the first chunk has been computed
            yield networks.first_look(range(start, min(start + size, count)))
            start += size

    @property
    def _networks(self) -> Networks:
        """The networks, opened at the first call; call it under the lock."""
        if self._opened is None:
            components = [on_machine(each, *self._machine) for each in self.model.backbones]
            backbones = open_backbones(components, self.model.revisions)
            self._opened = Networks(backbones, self._reporter)
        return self._opened

    def _list(self, images: Sequence[Image.Image], sources: Sequence[str] | None = None) -> ImageList:
        names = [""] * len(images) if sources is None else list(sources)
        if len(names) != len(images):
            raise UsageError(f"sources must name each of the {len(images)} images, got {len(names)}")
        return ImageList(sources=names, read=lambda number: rgb_of(images[number], self.pixels))


def pixels_of(model: Model) -> PixelOptions:
    """Return how image files are read: with the options of the dataset that the model was trained on.

    Raises
    ------
    BundleError
        If the model names options that there are not, or values that they do not take.

    """
    # They come from a file, so each is parsed as the text of an option would be.
    known, given = {option.name: option for option in pixel_options()}, model.facts.get("pixels", {})
    try:
        values: dict[str, Any] = {
            name: known[name].parse(str(value)) for name, value in given.items() if value is not None
        }
        return PixelOptions(**{"orientation": "exif", **values})
    except (KeyError, UsageError) as error:
        raise BundleError(
            f"the model was trained on images that were read with {dict(given)!r:.200}, which this "
            f"version of stackkit does not know ({error}); use the version that made the model"
        ) from error


def _narrowed(chunk: Chunk, rows: list[int]) -> Chunk:
    """Return a chunk with those of its images that have features, without pixels."""
    return Chunk(numbers=chunk.numbers, rows=rows, pixels={}, failed=[], remarks=chunk.remarks)


def _joined(parts: Sequence[Features]) -> Features:
    """Return the features of several chunks of images as those of all."""
    first = parts[0]
    matrices = [np.concatenate(each) for each in zip(*(part.matrices for part in parts), strict=True)]
    return Features.from_matrices(first.label, matrices, trained=first.trained)


def _error(failure: FailedImage) -> ImageError:
    return ImageError(f"{failure.id}: {failure.reason}" if failure.id else failure.reason)
