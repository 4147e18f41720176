"""`stackkit.load`: a saved model, ready to label images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import UsageError
from stackkit.api.paths import user_path
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.api.rgb import rgb_of
from stackkit.library.arguments import recipe_of, store_of
from stackkit.library.components import dataset_text, installed
from stackkit.library.expected_accuracy import ExpectedAccuracy
from stackkit.library.html import listed, table
from stackkit.library.images import GivenImage, OneImage, expanded, given_images
from stackkit.library.predictions import Predictions
from stackkit.model.model import Model
from stackkit.model.saved import load_model, save_model
from stackkit.prediction.image_list import ImageList
from stackkit.prediction.predictor import Predictor
from stackkit.prediction.record import Prediction
from stackkit.recipe import LOCAL
from stackkit.recipe.given import check_count


class LoadedModel:
    """A trained model that labels images; several threads may use it, and they take turns.

    `stackkit.load` and `stackkit.train` return it. Its networks are opened when they are first needed.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str | None = None,
        threads: int | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self._model, self._machine = model, (device, threads)
        self._predictor = Predictor(model, device=device, threads=threads, reporter=reporter)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._model.classes

    @property
    def expected_accuracy(self) -> ExpectedAccuracy | None:
        """What to expect on images like those of the training; None if the model does not say."""
        found = self._model.facts.get("accuracy")
        if not found:
            return None
        low, high = found["interval"]
        return ExpectedAccuracy(
            accuracy=found["accuracy"],
            interval=(low, high),
            images=found["images"],
            protocol=found["protocol"],
        )

    @property
    def info(self) -> Mapping[str, Any]:
        """What the model is made of and where it comes from: plain types, as in its manifest."""
        stack = self._model.stack
        return {
            "classes": list(self.classes),
            "backbones": [each.label for each in self._model.backbones],
            "learners": list(dict.fromkeys(each.component.label for each in stack.learners)),
            "aggregator": stack.aggregator.label,
            **self._model.facts,
        }

    def predict(
        self,
        images: OneImage | Iterable[OneImage],
        *,
        top: int = 5,
        min_confidence: float | None = None,
        target_precision: float | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Predictions:
        """Label images.

        Parameters
        ----------
        images : path, bytes, PIL.Image.Image, array, or iterable of these
            Paths of files, of folders, and patterns such as "photos/*.jpg"; the content of image files;
            Pillow images; uint8 arrays or tensors of shape (height, width, 3), (height, width) or
            (n, height, width, 3).
        top : int, default 5
            Number of the most probable classes in each record.
        min_confidence : float, optional
            Probability, from 0 to 1, below which a label is not `accepted`.
        target_precision : float, optional
            Accept labels so that this share of them, from 0 to 1, is expected to be right. Not together
            with `min_confidence`.
        on_error : {"raise", "skip"}, default "raise"
            What to do with an image that cannot be read: raise its ImageError, or list it in
            `Predictions.failed`.

        Returns
        -------
        Predictions
            A record per image, also for a single one.

        Raises
        ------
        UsageError
            If an argument is invalid.
        ImageError
            If an image cannot be read.
        StackkitError
            If weights are missing or others than in training, or a network fails.

        """
        if on_error not in ("raise", "skip"):
            raise UsageError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
        given = [each for one in given_images(images) for each in expanded(one)]
        predictor = self._predictor.asking(
            top=top, min_confidence=min_confidence, target_precision=target_precision
        )
        return _predictions(predictor, _listed(given, predictor), strict=on_error == "raise")

    def warm(self) -> None:
        """Open the networks now, so that the first image waits for nothing."""
        self._predictor.warm()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        with_weights: bool = False,
        overwrite: bool = False,
    ) -> Path:
        """Write the model to one file, which `stackkit.load` and `stackkit predict` read.

        Examples of training images are in it if the model has any (`train(with_examples=True)`).

        Parameters
        ----------
        path : str or os.PathLike
            The file, such as "birds.stackkit".
        with_weights : bool, default False
            Put the weights of the networks in, so that nobody has to download them.
        overwrite : bool, default False
            Replace an existing file.

        Returns
        -------
        Path
            The file.

        """
        target = user_path(path)
        save_model(self._model, target, with_weights=with_weights, overwrite=overwrite)
        return target

    def update(
        self,
        dataset: str | os.PathLike[str],
        *,
        strict: bool = False,
        store: str | os.PathLike[str] | None = None,
        feature_dtype: Literal["float32", "float16"] = "float32",
        executor: str = LOCAL,
        reporter: Reporter | None = None,
    ) -> LoadedModel:
        """Return a model that knows new images too; this one stays as it is.

        Parameters
        ----------
        dataset : str or os.PathLike
            As for `stackkit.train`. Classes are matched by name; others are new classes.
        strict : bool, default False
            Stop at the first image that cannot be read, instead of leaving it out.
        store : str or os.PathLike, optional
            Folder of stored features, as `--store`.
        feature_dtype : {"float32", "float16"}, default "float32"
            How features are stored.
        executor : str, default "local"
            Where features are computed, such as "processes" or "dask:address=tcp://10.0.0.1:8786".
        reporter : Reporter, optional
            Receives progress.

        Returns
        -------
        LoadedModel
            ``info["updates"][-1]`` says how well this model did on the new images.

        Raises
        ------
        StackkitError
            If the model cannot be updated, knows all images already, or an image fails.

        """
        from stackkit.experiment.update import update  # takes a second to import

        registry, (device, threads) = installed(), self._machine
        machine = {"device": device, "threads": threads, "executor": executor}
        recipe = recipe_of(dataset_text(dataset, registry), {"strict": strict, **machine})
        folder = store_of({"store": store, "feature_dtype": feature_dtype})
        found = update(self._model, recipe, registry, folder, reporter or SilentReporter())
        return LoadedModel(found.model, device=device, threads=threads, reporter=reporter)

    def __repr__(self) -> str:
        expected = self.expected_accuracy
        accuracy = f", expected accuracy {expected}" if expected else ""
        return f"<LoadedModel of {len(self.classes)} classes{accuracy}>"

    def _repr_html_(self) -> str:
        info, expected = self.info, self.expected_accuracy
        rows: list[list[object]] = [
            ["expected accuracy", expected or "unknown"],
            ["networks", ", ".join(info["backbones"])],
            ["learners", ", ".join(info["learners"])],
            ["aggregator", info["aggregator"]],
        ]
        title = f"Model of {len(self.classes)} classes"
        return table(["", ""], rows, title) + listed([", ".join(self.classes)])


def load(
    path: str | os.PathLike[str],
    *,
    trust: Sequence[str] = (),
    device: Literal["cpu", "gpu"] | None = None,
    threads: int | None = None,
    reporter: Reporter | None = None,
) -> LoadedModel:
    """Load a model that `stackkit train` or `LoadedModel.save` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    trust : sequence of str, default ()
        Names of third-party components whose fitted estimators may be loaded although they need not be
        data alone, as `--trust`.
    device : {"cpu", "gpu"}, optional
        Where networks compute; by default their own choice.
    threads : int, optional
        CPU threads per network; by default all cores.
    reporter : Reporter, optional
        Receives what networks say while they are opened.

    Returns
    -------
    LoadedModel
        Ready to `predict`.

    Raises
    ------
    UsageError
        If `threads` is below 1.
    StackkitError
        If the file is no such model, is damaged, or needs components that are not installed.

    """
    check_count("threads", threads)
    names = (trust,) if isinstance(trust, str) else tuple(trust)
    model = load_model(user_path(path), installed(), trust=names)
    for text in model.facts.get("warnings", ()):
        warnings.warn(text, stacklevel=2)
    return LoadedModel(model, device=device, threads=threads, reporter=reporter)


def _predictions(predictor: Predictor, images: ImageList, *, strict: bool) -> Predictions:
    found = list(predictor.stream(images, strict=strict))
    return Predictions(
        records=tuple(each for each in found if isinstance(each, Prediction)),
        failed=tuple(each for each in found if isinstance(each, FailedImage)),
        acceptance=predictor.acceptance,
    )


def _listed(given: Sequence[GivenImage], predictor: Predictor) -> ImageList:
    """Return images that a predictor reads one by one."""

    def read(number: int) -> Image.Image:
        source = given[number].source
        if isinstance(source, Image.Image):
            return rgb_of(source, predictor.pixels)
        return predictor.read(Path(source) if isinstance(source, str) else source)

    return ImageList(sources=[each.name for each in given], read=read)
