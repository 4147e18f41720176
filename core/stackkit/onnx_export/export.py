"""Export a bundle: build the graph, check it, write it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stackkit.api.errors import ImageError, PluginError, UsageError
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.bundle import check_target, open_bundle
from stackkit.extraction.decoding import reason
from stackkit.host.registry import Registry
from stackkit.model.model import Model
from stackkit.model.saved import load_model
from stackkit.onnx_export.check import Agreement, check_graph
from stackkit.onnx_export.classifiers import states_in
from stackkit.onnx_export.graph import model_graph
from stackkit.prediction.image_sources import find_images, shown
from stackkit.prediction.networks import open_backbones
from stackkit.prediction.predictor import Predictor
from stackkit.utils.files import atomic_write

if TYPE_CHECKING:
    from PIL import Image

MAX_IMAGES = 100
"""The graph is checked on so many images at most, spread over those of the folder."""

TASK = "comparing answers"
"""What progress is reported of."""

MADE_UP = 8
"""Number of images of coloured noise, if nobody names images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export has written.

    Attributes
    ----------
    path : Path
        The ONNX file.
    size : int
        Its size in bytes.
    networks : int
        Number of backbones in it.
    agreement : Agreement
        How well it agrees with the model.
    made_up : bool
        Whether it was checked on made-up images only.

    """

    path: Path
    size: int
    networks: int
    agreement: Agreement
    made_up: bool


def export_onnx(
    bundle: Path,
    path: Path,
    registry: Registry,
    *,
    images: Sequence[str] = (),
    trust: Collection[str] = (),
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Exported:
    """Export a model to ONNX, after a comparison of its answers with the model's own.

    Parameters
    ----------
    bundle, path : Path
        The model, and the ONNX file. Until that is complete and checked, nothing has its name.
    registry : Registry
        The installed components.
    images : sequence of str
        Files or folders of images to compare on. Without them, made-up images are taken.
    trust : collection of str
        See `load_model`.
    overwrite : bool
        Whether an existing file may be replaced.
    reporter : Reporter, optional
        Receives progress, and what networks say while they are opened.

    Raises
    ------
    PluginError
        If a package or a plugin is missing, or a component cannot be exported.
    EvaluationError
        If the graph answers otherwise than the model.
    StackkitError
        If the model cannot be loaded, or the file cannot be written.

    """
    require_packages()
    check_target(path, overwrite=overwrite)
    model = load_model(bundle, registry, trust=trust)
    content, agreement = _checked_graph(model, bundle, images, reporter or SilentReporter())
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return Exported(
        path=path,
        size=len(content),
        networks=len(model.backbones),
        agreement=agreement,
        made_up=not images,
    )


def _checked_graph(
    model: Model, bundle: Path, images: Sequence[str], reporter: Reporter
) -> tuple[bytes, Agreement]:
    """Return the graph of a model, and how well its answers agree with the model's own."""
    with open_bundle(bundle) as opened:
        states = states_in(opened)
    predictor = Predictor(model, reporter=reporter)
    for warning in model.facts["warnings"]:
        reporter.message(f"warning: {warning}")
    seen = _images(_chosen(images), predictor, reporter) if images else _made_up()
    content = model_graph(model, states, open_backbones(model.backbones, model.revisions))
    return content, check_graph(content, predictor, seen)


def require_packages() -> None:
    """Raise PluginError if the packages of the extra are missing."""
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise PluginError(
            f"export needs packages that are not installed ({', '.join(missing)}); run: "
            "pip install 'stackkit[onnx]'"
        )


def _chosen(named: Sequence[str]) -> list[str]:
    """Return the files to compare on."""
    paths = find_images(named).paths
    if not paths:
        raise UsageError(f"no images in {', '.join(named)}; name a folder or files with images")
    places = np.linspace(0, len(paths) - 1, min(len(paths), MAX_IMAGES)).astype(int)
    return [paths[place] for place in places]


def _images(paths: Sequence[str], predictor: Predictor, reporter: Reporter) -> Iterator[Image.Image]:
    """Yield one image after the other: a hundred photographs would need gigabytes."""
    reporter.start(TASK, len(paths))
    for path in paths:
        try:
            image = predictor.read(Path(path))
        except (OSError, ImageError) as error:
            raise ImageError(f"{shown(path)}: {reason(error)}") from error
        yield image
        reporter.advance(TASK, 1)


def _made_up() -> list[Image.Image]:
    """Return images of coloured clouds in several sizes."""
    from PIL import Image

    random = np.random.default_rng(0)
    found = []
    for number in range(MADE_UP):
        coarse = random.integers(0, 256, (6 + number, 9, 3), dtype=np.uint8)
        image = Image.fromarray(coarse)
        found.append(image.resize((300, 200 + 40 * number), Image.Resampling.BICUBIC))
    return found
