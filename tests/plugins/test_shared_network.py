"""A network on several engines: which one computes, and what happens when one fails.

The engines here are NumPy; their names are those of two distributions that are always installed.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from stackkit.api import ExtractionError, engines_dir
from stackkit_plugins.shared.keras_network import KerasBackbone, RandomWeights, RunSettings
from stackkit_plugins.shared.keras_network.network import NetworkDefinition
from stackkit_plugins.shared.keras_network.pooling import Pooling
from stackkit_plugins.shared.network import EngineSettings, NetworkBackbone

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), np.uint8)


@dataclass
class Engine:
    """Mean colours; `most` images fit into its memory, and `error` is added to every feature."""

    most: int = 99
    error: float = 0.0
    released: int = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if len(images) > self.most:
            raise MemoryError
        return images.mean((1, 2)) + np.float32(self.error)

    def release(self) -> None:
        self.released += 1


@dataclass
class Toy:
    engines: dict[str, Engine] = field(default_factory=lambda: {"numpy": Engine(), "scipy": Engine()})
    faster: tuple[str, ...] = ("scipy",)
    loaded: list[str] = field(default_factory=list)

    name, label, reference, device, revision = "toy", "toy:file=1", "numpy", "cpu", "1"
    precision = "float32"
    image_size, feature_dim, trained = 4, 3, True

    def load(self, engine: str, threads: int) -> Engine:
        self.loaded.append(engine)
        if engine not in self.engines:
            raise RuntimeError(f"{engine} knows\nno such network")
        return self.engines[engine]


def prepared(toy: Toy, **settings: object) -> tuple[dict[str, object], list[str]]:
    """Return what `prepare` decided and said."""
    said: list[str] = []
    backbone = NetworkBackbone(toy, EngineSettings(**settings))  # type: ignore[arg-type]
    backbone.expect(1000)
    return dict(backbone.prepare(IMAGES[:32], said.append).settings), said


def test_the_faster_engine_is_compared_once_and_then_recalled():
    first, again = Toy(), Toy()
    assert prepared(first)[0]["engine"] == prepared(again)[0]["engine"] == "scipy"
    assert (first.loaded, again.loaded) == (["scipy", "numpy"], ["scipy"])
    more_threads = Toy()
    prepared(more_threads, threads=1)
    assert more_threads.loaded == ["scipy", "numpy"]


def test_an_engine_with_other_features_is_rejected_with_a_reason_each_time():
    for loaded in (["scipy", "numpy", "numpy"], ["numpy"]):
        toy = Toy(engines={"numpy": Engine(), "scipy": Engine(error=1)})
        settings, said = prepared(toy)
        assert (settings["engine"], toy.loaded) == ("numpy", loaded)
        assert "toy:file=1: engine scipy rejected: its features differ from numpy's by" in said[0]
    with pytest.raises(ExtractionError, match=r"use engine=numpy or engine=auto"):
        prepared(toy, engine="scipy")


def test_an_engine_that_fails_is_rejected_and_tried_again_next_time():
    settings, said = prepared(Toy(engines={"numpy": Engine()}))
    assert settings["engine"] == "numpy"
    assert said == ["toy:file=1: engine scipy rejected: scipy knows no such network"]
    assert prepared(Toy())[0]["engine"] == "scipy"


def test_a_damaged_record_of_comparisons_is_made_again():
    prepared(Toy())
    (record,) = engines_dir().glob("toy-*/comparisons.json")
    for damage in ("", "[]", record.read_text().replace("difference", "x")):
        record.write_text(damage)
        toy = Toy()
        assert prepared(toy)[0]["engine"] == "scipy"
        assert toy.loaded == ["scipy", "numpy"]


def test_without_the_reference_an_engine_computes_and_the_report_says_it_was_not_compared():
    toy = Toy()
    toy.reference = "no-such-distribution"  # type: ignore[misc]
    settings, said = prepared(toy)
    assert settings["engine"] == "scipy"
    assert settings["difference_from_no-such-distribution"] == "not compared"
    assert "not installed, so features of scipy are not compared" in said[0]


def test_a_batch_that_does_not_fit_into_memory_is_halved(home: Path):
    toy = Toy(engines={"numpy": Engine(most=3)}, faster=())
    features = NetworkBackbone(toy, EngineSettings()).extract(IMAGES)
    np.testing.assert_allclose(features, IMAGES.mean((1, 2)), rtol=1e-6)
    nothing = NetworkBackbone(Toy(engines={"numpy": Engine(most=0)}, faster=()), EngineSettings())
    with pytest.raises(ExtractionError, match="not enough memory for a single image"):
        nothing.extract(IMAGES)


def test_a_network_releases_its_memory_when_the_next_one_computes():
    first, second = Toy(), Toy()
    backbones = [NetworkBackbone(toy, EngineSettings()) for toy in (first, second)]
    for backbone in (*backbones, *backbones):
        backbone.extract(IMAGES)
    assert [toy.engines["numpy"].released for toy in (first, second)] == [2, 1]
    # Also to one of another kind: those of several would add up.
    definition = NetworkDefinition(
        name="keras", network="1", preprocessing=1, image_size=4, weights=RandomWeights(seed=0),
        poolings=(Pooling(kind="avg", channels=3),), build_model=list, preprocess=list,
        settings=RunSettings(),
    )  # fmt: skip
    keras, engine = KerasBackbone(definition), Engine()
    keras._compute = engine
    keras.extract(IMAGES)
    assert second.engines["numpy"].released == 2
    backbones[0].extract(IMAGES)
    assert engine.released == 1
