"""Images unlike all others come first, also if there are several of one kind."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.pictures import pictures, subject_of

from stackkit.api.images import read_image, squash
from stackkit.audit.outliers import class_distances, outliers
from stackkit.evaluation.features import Features
from stackkit.host.host import load_host
from stackkit.host.registry import Registry


def test_the_distance_is_to_the_mean_of_the_other_images_of_a_class() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(30, 6)).astype(np.float32)
    labels = np.arange(30) % 3
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    expected = []
    for row in range(30):
        others = [units[(labels == k) & (np.arange(30) != row)].mean(axis=0) for k in range(3)]
        expected.append(1 - max(units[row] @ each / np.linalg.norm(each) for each in others))
    found = class_distances([Features.from_matrix("", X)] * 2, labels, 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_strange_images_of_one_kind_do_not_hide_each_other() -> None:
    random = np.random.default_rng(0)
    means = random.normal(size=(5, 40))
    labels = np.arange(200) % 5
    X = means[labels] + 0.3 * random.normal(size=(200, 40))
    X[::20] = random.normal(size=40) + 0.1 * random.normal(size=(10, 40))  # 10 of another kind
    dataset = pictures([None] * 200, label=labels.tolist())
    dataset.classes = list("abcde")
    found = sorted(outliers(subject_of(dataset, X)), key=lambda each: -each.score)
    assert {each.id for each in found[:10]} == {f"{row}.jpg" for row in range(0, 200, 20)}


@pytest.mark.parametrize("images", ["one", "equal", "zero"])
def test_images_without_differences_have_no_outliers(images: str) -> None:
    count = 1 if images == "one" else 6
    X = np.zeros((count, 3)) if images == "zero" else np.ones((count, 3))
    assert outliers(subject_of(pictures([None] * count), X)) == []


@pytest.mark.slow
def test_all_flowers_that_were_put_among_birds_rank_first(cub_root: Path, shared_data: Path) -> None:
    files = sorted(cub_root.glob("images/*/*.jpg"))
    flowers = sorted(shared_data.glob("not_birds/*.jpg"))
    species = sorted({each.parent.name for each in files})
    labels = [species.index(each.parent.name) for each in files]
    labels += [k % len(species) for k in range(len(flowers))]
    registry = Registry(host=load_host(environ=os.environ))
    names = [f"efficientnet-lite{k}" for k in range(3)]
    networks = [registry.one("backbone", each).create() for each in names]
    blocks: list[list[np.ndarray]] = [[] for _ in networks]
    for start in range(0, len(labels), 16):
        opened = [read_image(each) for each in [*files, *flowers][start : start + 16]]
        for network, found_so_far in zip(networks, blocks, strict=True):
            squares = np.stack([squash(each, network.image_size) for each in opened])
            found_so_far.append(network.extract(squares))
    dataset = pictures([None] * len(labels), label=labels)
    dataset.classes = species
    features = [Features.from_matrix("", np.concatenate(each)) for each in blocks]
    found = outliers(replace(subject_of(dataset), features=features))
    first = sorted(found, key=lambda each: -each.score)[: len(flowers)]
    assert {each.id for each in first} == {f"{len(files) + k}.jpg" for k in range(len(flowers))}
