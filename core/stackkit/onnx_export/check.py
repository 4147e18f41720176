"""Compare an exported graph with the model that it was made of, on images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stackkit.api.errors import EvaluationError
from stackkit.onnx_export.graph import IMAGE, LABEL, PROBABILITIES
from stackkit.prediction.predictor import Predictor

if TYPE_CHECKING:
    from PIL import Image

TOLERANCE = 1e-4
"""How much a probability may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well a graph agrees with its model.

    Attributes
    ----------
    images : int
        Number of images.
    difference : float
        The largest difference of a probability.

    """

    images: int
    difference: float


def check_graph(content: bytes, predictor: Predictor, images: Iterable[Image.Image]) -> Agreement:
    """Compare the answers of a graph, by onnxruntime, with those of a model.

    Parameters
    ----------
    content : bytes
        The ONNX file.
    predictor : Predictor
        Of the model.
    images : iterable of PIL.Image.Image
        At least one image, in mode RGB; one is in memory at a time.

    Raises
    ------
    EvaluationError
        If a label differs, or a probability by more than `TOLERANCE`.

    """
    model, run = predictor.model, _session(content)
    differences = []
    for image in images:
        expected = model.answer(predictor.features([image]))
        found, shares = run(np.asarray(image, dtype=np.uint8))
        label, difference = int(expected.labels[0]), float(np.abs(shares - expected.probabilities).max())
        if found != label:
            raise _refused(
                f"says {model.classes[found]} of an image where the model says {model.classes[label]}"
            )
        if not difference <= TOLERANCE:
            raise _refused(f"differs by {difference:.1e} in a probability, allowed is {TOLERANCE:g}")
        differences.append(difference)
    return Agreement(images=len(differences), difference=max(differences))


def _refused(what: str) -> EvaluationError:
    return EvaluationError(
        f"the graph {what}, so nothing was written; set engine=tensorflow and precision=float32 when "
        "you train, or report this"
    )


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(pixels: Any) -> tuple[int, Any]:
        shares, label = session.run([PROBABILITIES, LABEL], {IMAGE: pixels})
        return int(label), shares

    return run
