"""States with right hashes and wrong content: a model is refused in one line, or gives answers."""

import json
import random
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from support.bundles import forge
from support.models import coloured_images, features_of, small_model, small_registry

from stackkit.api.errors import StackkitError
from stackkit.bundle import UpdateRecord, open_bundle
from stackkit.evaluation.features import Features
from stackkit.model.model import Model
from stackkit.model.saved import load_model, save_model
from stackkit.model.training_images import TrainingImages
from stackkit.model.updated_model import NewImages, measured, updated_model
from stackkit.model.updating import check_updatable

LEARNERS = (
    "logistic",
    "logistic:C=auto",
    "logistic-ovr",
    "calibrated-svm",
    "lda",
    "ridge",
    "ridge:updatable=true",
    "prototypes",
)
AGGREGATORS = (
    "average-svm",
    "soft-vote",
    "weighted-vote",
    "ensemble-selection",
    "stacked-logistic",
    "concat",
)
ODD: tuple[Any, ...] = (None, True, -1, 0, 3, 2**62, 1e308, -0.5, "x", [], {}, [1, 2], {"a": 1})


def altered_json(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one part replaced, removed or repeated."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value))
        kept = {name: item for name, item in value.items() if name != key}
        return kept if rng.random() < 0.15 else kept | {key: altered_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        index = rng.randrange(len(value))
        repeated = [altered_json(value[index], rng)] * rng.choice((0, 1, 1, 1, 2))
        return [*value[:index], *repeated, *value[index + 1 :]]
    return rng.choice(ODD)


def altered_array(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """Return an array with another shape, type or content."""
    match rng.randrange(9):
        case 0:
            return array[:-1] if array.ndim else array.reshape(1)
        case 1:
            return np.concatenate([array, array]) if array.ndim else array.reshape(1, 1)
        case 2:
            return np.ascontiguousarray(array.T[..., None])
        case 3:
            return array[..., :0] if array.ndim else array
        case 4:
            return array.astype(rng.choice((np.int8, np.float16, np.uint64, bool, np.int64)))
        case 5:
            return np.full_like(array, rng.choice((0, 1)))
        case 6:
            return np.full(array.shape, rng.choice((np.nan, np.inf, -1e308, 1e308)))
        case 7:
            return np.full(array.shape, rng.choice((-1, 2**62, 3)), np.int64)
        case _:
            data = bytearray(array.tobytes() or b"x")
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            return np.frombuffer(bytes(data[: array.nbytes]), array.dtype).reshape(array.shape)


def altered_arrays(data: bytes, rng: random.Random) -> bytes:
    arrays = safetensors.numpy.load(data)
    name = rng.choice(sorted(arrays))
    arrays[name] = np.array(altered_array(arrays[name], rng))
    return safetensors.numpy.save(arrays)


def altered(path: Path, source: Path, rng: random.Random) -> Path:
    with open_bundle(source) as bundle:
        members = sorted(name for name in bundle.document["members"] if name.startswith("states/"))
    member = rng.choice([*members, "manifest.json"])
    if member == "manifest.json":
        # The list of members is made again by `forge`, and attacked elsewhere.
        return forge(path, source, document=lambda found: altered_manifest(found, rng))
    key = member.replace("/", "__").replace(".", "_dot_")
    if member.endswith(".json"):
        return forge(
            path,
            source,
            **{key: lambda data: json.dumps(altered_json(json.loads(data), rng)).encode()},
        )
    return forge(path, source, **{key: lambda data: altered_arrays(data, rng)})


def altered_manifest(document: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    part = rng.choice(sorted(document.keys() - {"members", "schema"}))
    return document | {part: altered_json(document[part], rng)}


def updatable(model: Model) -> Model:
    """The same model as a training makes it if it can be updated, after an update."""
    names = ("accuracy", "reliability", "novelty")
    record = UpdateRecord(
        stackkit="0.1.0",
        created="now",
        dataset="images",
        images=2,
        new_classes=("red",),
        effects=dict.fromkeys(names, "dropped"),
    )
    facts = {**model.facts, "updatable": {"images": 3}, "updates": [asdict(record)]}
    return replace(model, facts=facts, images=TrainingImages.of("abc"))


def update(model: Model, features: list[Features]) -> Model:
    """Update a model with an image of each class and one of a new class, as `train --update` does."""
    check_updatable(model.stack, [each.width for each in features])
    images = NewImages(
        features=features,
        labels=np.array([0, 0, 1, 1, 2, 3]),
        fingerprints=list("defghi"),
        classes=(*model.classes, "new"),
    )
    record = UpdateRecord(stackkit="0.1.0", created="now", dataset="more", images=6)
    return updated_model(model, images, record, measured(model, images))


def attack(folder: Path, learner: str, aggregator: str, count: int, seed: int) -> int:
    """Open altered models and ask them; returns how many were refused."""
    registry, rng = small_registry(), random.Random(seed)
    model = small_model(registry, learner, aggregator)
    model = updatable(model) if "updatable" in learner else model
    source = folder / "model"
    save_model(model, source, overwrite=True)
    features = features_of(registry, coloured_images(2)[0])
    refused = 0
    for index in range(count):
        path = altered(folder / "altered", source, rng)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numbers of 1e308 overflow
                opened = load_model(path, registry)
                found = opened.answer(features)
                if "updatable" in learner:
                    found = update(opened, features).answer(features)
        except StackkitError as error:
            refused += 1
            text = str(error)
            if "\n" in text:
                pytest.fail(f"{learner} {aggregator} {seed} {index}: {text}")
            continue
        assert found.labels.shape == (6,)
    return refused


def test_altered_states_are_refused_or_give_answers(tmp_path: Path):
    pairs = [("logistic", "average-svm"), ("ridge", "stacked-logistic"), ("lda", "concat")]
    refused = [attack(tmp_path, *pair, 25, seed) for seed, pair in enumerate(pairs)]
    assert sum(refused) > 25


def test_altered_statistics_are_refused_or_can_be_updated(tmp_path: Path):
    assert attack(tmp_path, "ridge:updatable=true", "soft-vote", 40, seed=3) > 10


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["ridge:updatable=true", "lda:updatable=true"])
@pytest.mark.parametrize("aggregator", ["soft-vote", "geometric-vote", "majority-vote"])
def test_2000_altered_statistics_are_refused_or_can_be_updated(
    learner: str, aggregator: str, tmp_path: Path
):
    assert attack(tmp_path, learner, aggregator, 350, seed=4) > 50


@pytest.mark.slow
@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_2000_altered_states_are_refused_or_give_answers(learner: str, aggregator: str, tmp_path: Path):
    assert attack(tmp_path, learner, aggregator, 50, seed=1) > 5
