"""A real small model in memory: two cheap backbones, fitted learners and a fitted aggregator."""

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from stackkit.api.images import squash
from stackkit.evaluation.features import Features
from stackkit.evaluation.views import probabilities_of
from stackkit.extraction.backbone import make_backbone
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.model import Model
from stackkit.model.novelty import fit_novelty
from stackkit.model.reliability import Reliability
from stackkit.model.stack import FittedLearner, Stack
from stackkit.statistics.calibration import Calibration

COLOURS_PLUGIN = Path(__file__).with_name("colours.py")
"""The plugin of the backbones, for STACKKIT_PLUGIN_FILES and --plugin."""

BACKBONES = ("mean-colours", "colour-shares")
CLASSES = ("blue", "green", "red")


class Certain:
    """A fitted aggregator that has only `predict`, with a high probability for what it predicts."""

    def __init__(self, fitted) -> None:
        self.fitted, self.predict = fitted, fitted.predict

    def predict_proba(self, inputs):
        return 0.85 * np.eye(3)[self.predict(inputs)] + 0.05


def small_registry() -> Registry:
    """All of stackkit's own components, and the backbones of `support/colours.py`."""
    return _registry(tuple(sys.path))


@lru_cache(maxsize=4)
def _registry(sys_path: tuple[str, ...]) -> Registry:
    # Kept, because loading all plugins takes longer than most tests. Another path has other plugins.
    return Registry(host=load_host(environ={"STACKKIT_PLUGIN_FILES": str(COLOURS_PLUGIN)}))


def coloured(label: int, seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """An image of noise in which the class's colour is strongest."""
    random = np.random.default_rng([label, seed])
    pixels = random.integers(0, 130, (size[1], size[0], 3))
    pixels[..., 2 - label] += random.integers(40, 120)
    return Image.fromarray(pixels.astype(np.uint8))


def coloured_images(per_class: int, seed: int = 0) -> tuple[list[Image.Image], np.ndarray]:
    """Images and their labels, class by class."""
    labels = np.repeat(np.arange(3), per_class)
    return [coloured(int(k), seed * 1000 + i) for i, k in enumerate(labels)], labels


def coloured_folder(root: Path, per_class: int, seed: int = 0) -> Path:
    """The same images as an image-folder of PNG files."""
    images, labels = coloured_images(per_class, seed)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{i:03}.png")
    return root


def features_of(registry: Registry, images: Sequence[Image.Image]) -> list[Features]:
    """Features by the backbones of the small model."""
    found = []
    for name in BACKBONES:
        backbone = registry.one("backbone", name).create()
        squares = np.stack([np.asarray(squash(image, backbone.image_size)) for image in images])
        found.append(Features.from_matrix(name, backbone.extract(squares)))
    return found


def small_model(
    registry: Registry | None = None, learner: str = "logistic", aggregator: str = "average-svm"
) -> Model:
    """A model that tells blue, green and red images apart, fitted on 12 images of each."""
    registry = registry or small_registry()
    images, labels = coloured_images(12)
    features = features_of(registry, images)
    stack = small_stack(registry, features, labels, learner, aggregator)
    scores = stack.answer(features).scores
    calibration = Calibration(temperature=1.5)
    probabilities = calibration.probabilities(scores)
    return Model(
        classes=CLASSES,
        backbones=tuple(registry.one("backbone", name) for name in BACKBONES),
        revisions=tuple(_revision(registry, name) for name in BACKBONES),
        stack=stack,
        calibration=calibration,
        reliability=Reliability(
            confidence=probabilities.max(axis=1), correct=probabilities.argmax(axis=1) == labels
        ),
        novelty=fit_novelty(features, labels, np.arange(len(labels)) % 3),
        facts={"untrained": False},
    )


def small_stack(
    registry: Registry, features: list[Features], labels: np.ndarray, learner: str, aggregator: str
) -> Stack:
    component, rows = registry.one("learner", learner), np.arange(len(labels))
    learners = []
    for position, each in enumerate(features):
        fitted = component.create().fit(each.take(rows), labels)
        learners.append(
            FittedLearner(component=component, backbone=position, members=(fitted,), uses=("whole",))
        )
    above = registry.one("aggregator", aggregator)
    fitted = above.create()
    if fitted.fit_on == "features":
        fitted.fit([each.take_average(rows) for each in features], labels, component.create())
    else:
        votes = [
            probabilities_of(one.members[0], each, rows, 3, "whole")
            for one, each in zip(learners, features, strict=True)
        ]
        fitted.fit(np.stack(votes), labels)
    return Stack(
        learners=tuple(learners),
        aggregator=above,
        fitted=fitted if _has_scores(fitted) else Certain(fitted),
        fit_on=fitted.fit_on,
        n_classes=3,
    )


def _has_scores(fitted) -> bool:
    return hasattr(fitted, "predict_proba") or hasattr(fitted, "decision_function")


def _revision(registry: Registry, name: str) -> str:
    return make_backbone(registry.one("backbone", name)).declared_key.revision
