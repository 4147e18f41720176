"""Compare ways to tell that an image looks unlike all training images, on real data.

    python benchmarks/novelty.py DATA [--cache FOLDER]

DATA has CUB_200_2011 and not_birds. Features are those of three EfficientNet-Lite networks on whole
images. Each way is fitted on the official training part of the birds, with all images or with 5 or 2
per species. Its threshold is the 0.95 quantile of its distances on training images that were left out of
its statistics, by folds. Printed are the share of images beyond it, which should be 5 % of the birds of
the test part and all of the others, and the area under the ROC curve of the others against these birds.

`other species` is the hardest case: fitted on every second species, and asked about the other species.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from stackkit.api.images import read_image, squash
from stackkit.evaluation.features import Features
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.novelty import fit_novelty

NETWORKS = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
OTHERS = ("flowers", "digits", "textures")
QUANTILE, FOLDS, BATCH = 0.95, 5, 16

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]
Distance = Callable[[Matrix], Matrix]
Way = Callable[[Matrix, Labels], Distance]


@dataclass(frozen=True, kw_only=True)
class Birds:
    """Labels of the birds, and which of them are in the official training part."""

    labels: Labels
    train: NDArray[np.bool_]


def main() -> None:
    """Compute features and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("novelty-features"))
    arguments = parser.parse_args()
    birds, features = birds_of(arguments.data), all_features(arguments.data, arguments.cache)
    header = "".join(f"{name:>20}" for name in OTHERS)
    for images in (None, 5, 2):
        print(f"\n{images or 'all'} images per species: share flagged (area under the ROC curve)")
        print(f"{'':28}{'birds':>7}{header}")
        for name, way in WAYS.items():
            report(name, judged(way, birds, features, images))
    print("\nother species")
    for name, way in WAYS.items():
        report(name, other_species(way, birds, features))


def report(name: str, found: Mapping[str, Matrix]) -> None:
    """Print a line: distances in `found` are divided by the threshold."""
    birds = found["birds"]
    line = f"{name:28}{(birds > 1).mean():7.1%}"
    for other, values in found.items():
        if other != "birds":
            truth = np.repeat([0, 1], [len(birds), len(values)])
            area = roc_auc_score(truth, np.concatenate([birds, values]))
            line += f"{(values > 1).mean():12.1%} ({area:.3f})"
    print(line, flush=True)


def judged(
    way: Way, birds: Birds, features: Mapping[str, Sequence[Matrix]], images: int | None
) -> dict[str, Matrix]:
    """Fit on the training part, with so many images per species."""
    random = np.random.default_rng(0)
    rows = np.flatnonzero(birds.train)
    if images:
        species = np.unique(birds.labels)
        each = [random.choice(rows[birds.labels[rows] == k], images, replace=False) for k in species]
        rows = np.concatenate(each)
    asked = {"birds": [each[~birds.train] for each in features["birds"]]}
    asked |= {name: list(features[name]) for name in OTHERS}
    return relative(way, [each[rows] for each in features["birds"]], birds.labels[rows], asked)


def other_species(way: Way, birds: Birds, features: Mapping[str, Sequence[Matrix]]) -> dict[str, Matrix]:
    """Fit on the training part of every second species, and ask about the test part of all."""
    known, test = birds.labels % 2 == 0, ~birds.train
    rows = birds.train & known
    asked = {
        "birds": [each[test & known] for each in features["birds"]],
        "other species": [each[test & ~known] for each in features["birds"]],
    }
    return relative(way, [each[rows] for each in features["birds"]], birds.labels[rows], asked)


def relative(
    way: Way, train: Sequence[Matrix], labels: Labels, asked: Mapping[str, Sequence[Matrix]]
) -> dict[str, Matrix]:
    """Return distances divided by the threshold; networks are averaged in units of their spread."""
    folds = folds_of(labels)
    left_out = np.empty((len(train), len(labels)))
    for fold in np.unique(folds):
        own = folds == fold
        for network, X in enumerate(train):
            left_out[network, own] = way(X[~own], labels[~own])(X[own])
    centre = np.median(left_out, axis=1, keepdims=True)
    unit = np.std(left_out, axis=1, keepdims=True)
    fitted = [way(X, labels) for X in train]

    def joined(distances: Matrix) -> Matrix:
        mean: Matrix = ((distances - centre) / unit + 10).mean(axis=0)
        return mean

    threshold = np.quantile(joined(left_out), QUANTILE)
    return {
        name: joined(np.stack([one(X) for one, X in zip(fitted, blocks, strict=True)])) / threshold
        for name, blocks in asked.items()
    }


def folds_of(labels: Labels) -> Labels:
    """Divide each class among the folds; with fewer images than folds, one image per fold."""
    random, folds = np.random.default_rng(0), np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        folds[own] = random.permutation(len(own)) % FOLDS
    return folds


def directions(X: Matrix) -> Matrix:
    """Scale rows to length 1."""
    scaled: Matrix = X / np.linalg.norm(X, axis=1, keepdims=True)
    return scaled


def class_angles(X: Matrix, labels: Labels) -> Distance:
    """What stackkit does: the cosine to the nearest class mean, by its own code."""
    features = Features.from_matrix("", X.astype(np.float32))
    means = fit_novelty([features], labels, np.arange(len(labels)) % 2).means[0]
    return lambda Z: 1 - (directions(Z) @ means.T).max(axis=1)


def scaled_by_feature(X: Matrix, labels: Labels) -> Distance:
    """Distance to the nearest class mean, each feature in units of its spread within classes."""
    A = directions(X)
    means, within = _means(A, labels)
    scale = np.sqrt((within**2).mean(axis=0))
    scale = np.maximum(scale, scale.mean() or 1.0)
    return lambda Z: np.sqrt(_squares(directions(Z) / scale, means / scale).min(axis=1))


def mahalanobis(X: Matrix, labels: Labels) -> Distance:
    """Lee et al. (2018): one covariance for all classes, here shrunk to a multiple of the identity."""
    A = directions(X)
    means, within = _means(A, labels)
    whiten = _whitening(within)
    return lambda Z: _squares(directions(Z) @ whiten, means @ whiten).min(axis=1)


def relative_mahalanobis(X: Matrix, labels: Labels) -> Distance:
    """Ren et al. (2021): the same, minus the distance to the mean of all classes."""
    A = directions(X)
    centre = A.mean(axis=0)
    near, whiten = mahalanobis(X, labels), _whitening(A - centre)
    return lambda Z: near(Z) - (((directions(Z) - centre) @ whiten) ** 2).sum(axis=1)


def neighbours(X: Matrix, labels: Labels) -> Distance:
    """Sun et al. (2022): the angle to the fifth nearest training image."""
    A = directions(X)
    return lambda Z: 1 - np.sort(directions(Z) @ A.T, axis=1)[:, -5]


def _means(A: Matrix, labels: Labels) -> tuple[Matrix, Matrix]:
    known, column = np.unique(labels, return_inverse=True)
    means = np.stack([A[column == k].mean(axis=0) for k in range(len(known))])
    return means, A - means[column]


def _whitening(residuals: Matrix, shrinkage: float = 0.3) -> Matrix:
    # The covariance has fewer directions than features: a thin decomposition is enough.
    _, roots, axes = np.linalg.svd(residuals / np.sqrt(len(residuals)), full_matrices=False)
    width = residuals.shape[1]
    floor = shrinkage * ((roots**2).sum() / width or 1.0)
    scales = 1 / np.sqrt((1 - shrinkage) * roots**2 + floor) - 1 / np.sqrt(floor)
    whitening: Matrix = np.eye(width) / np.sqrt(floor) + (axes.T * scales) @ axes
    return whitening


def _squares(Z: Matrix, means: Matrix) -> Matrix:
    found: Matrix = (Z**2).sum(axis=1)[:, None] - 2 * Z @ means.T + (means**2).sum(axis=1)
    return np.maximum(found, 0)


WAYS: dict[str, Way] = {
    "angle to the class mean": class_angles,
    "distance, scaled by feature": scaled_by_feature,
    "Mahalanobis": mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "fifth nearest neighbour": neighbours,
}


def birds_of(data: Path) -> Birds:
    """Read the metadata of the birds."""
    columns = {
        name: np.array([int(line.split()[1]) for line in _lines(data / f"CUB_200_2011/{name}.txt")])
        for name in ("image_class_labels", "train_test_split")
    }
    return Birds(labels=columns["image_class_labels"] - 1, train=columns["train_test_split"] == 1)


def all_features(data: Path, cache: Path) -> dict[str, list[Matrix]]:
    """Compute the features of all images with each network, unless the cache has them."""
    cache.mkdir(parents=True, exist_ok=True)
    registry = Registry(host=load_host(environ=os.environ))
    names = [line.split()[1] for line in _lines(data / "CUB_200_2011/images.txt")]
    images: dict[str, Sequence[Path | Image.Image]] = {
        "birds": [data / "CUB_200_2011/images" / name for name in names],
        "flowers": sorted((data / "not_birds").glob("*.jpg")),
        "digits": digits(),
        "textures": textures(),
    }
    found: dict[str, list[Matrix]] = {name: [] for name in images}
    for network in NETWORKS:
        for name, each in images.items():
            file = cache / f"{network}.{name}.npy"
            if not file.exists():
                np.save(file, computed(registry, network, each))
            found[name].append(np.load(file).astype(np.float64))
    return found


def computed(
    registry: Registry, network: str, images: Sequence[Path | Image.Image]
) -> NDArray[np.float32]:
    """Compute the features of images; returns (n_images, n_features)."""
    backbone = registry.one("backbone", network).create()
    blocks = []
    for start in range(0, len(images), BATCH):
        opened = (
            each if isinstance(each, Image.Image) else read_image(each)
            for each in images[start : start + BATCH]
        )
        squares = np.stack([np.asarray(squash(each, backbone.image_size)) for each in opened])
        blocks.append(backbone.extract(squares))
    return np.concatenate(blocks)


def digits() -> list[Image.Image]:
    """Return 60 handwritten digits of scikit-learn."""
    scans = load_digits().images[:60]
    return [Image.fromarray((scan * 15.9).astype(np.uint8)).convert("RGB") for scan in scans]


def textures() -> list[Image.Image]:
    """Return 60 images of stripes, checks, clouds and gradients in random colours."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:240, :320]
    made = []
    for number in range(60):
        colours = random.integers(0, 256, (2, 3))
        frequency, angle = random.uniform(0.02, 0.5), random.uniform(0, np.pi)
        along = np.cos(angle) * x + np.sin(angle) * y
        kinds = (
            (np.sin(frequency * along) + 1) / 2,
            (x // random.integers(4, 40) + y // random.integers(4, 40)) % 2,
            _cloud(random),
            (along - along.min()) / np.ptp(along),
        )
        plane = kinds[number % 4][..., None]
        pixels = colours[0] + (colours[1] - colours[0]) * plane
        made.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    return made


def _cloud(random: np.random.Generator) -> Matrix:
    coarse = random.random(tuple(random.integers(3, 120, 2))).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((320, 240), Image.Resampling.BILINEAR))


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    main()
