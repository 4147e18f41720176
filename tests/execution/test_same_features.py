"""Every executor gives the features, and the predictions, that one process gives."""

from contextlib import closing

import h5py
import numpy as np
import pytest
from support.toys_on_workers import backbones_of, dataset_in, plugin_in, registry

from stackkit.api.reporter import SilentReporter
from stackkit.experiment.evaluation import Outputs
from stackkit.experiment.run import run
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.feature_set import feature_sets
from stackkit.extraction.row_independence import relative_differences
from stackkit.recipe import Recipe
from stackkit.store import FeatureStore
from stackkit.store.catalogue import entries
from stackkit.store.file import FeatureFile

pytest.importorskip("distributed", reason="distributed, of the extra dask, is not installed")


@pytest.fixture
def plugin(tmp_path):
    with plugin_in(tmp_path) as path:
        yield path


def made(name: str):
    """An executor with two workers."""
    component = registry().one("executor", f"{name}:workers=2")
    return component.create()


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_cheap_features_and_fingerprints_are_the_same_bit_for_bit(
    name, bird_folder, tmp_path, monkeypatch, plugin
):
    monkeypatch.setattr("stackkit.extraction.extract.FEW", 1)
    dataset = dataset_in(bird_folder)
    named = backbones_of("quarters:pooling=mean+max,views=mirror+attention")
    found = []
    with closing(made(name)) as executor:
        for workers in (None, executor):
            rows, failed = fingerprints("birds", dataset, SilentReporter(), workers)
            store = FeatureStore(tmp_path / f"{len(found)}")
            summary = extract(dataset, rows, named, store, SilentReporter(), executor=workers)
            matrices = []
            for one in feature_sets(named):
                with store.open(one.key, rows, {}, create=False) as file:
                    matrices.append(file.read())
            found.append((rows, failed, summary, matrices))
    here, there = found
    assert there[:3] == here[:3]
    for one, other in zip(here[3], there[3], strict=True):
        assert np.array_equal(one, other)


def features_in(folder) -> dict[str, np.ndarray]:
    found = {}
    for entry in entries(folder):
        with FeatureFile(entry.path, entry.contents, writable=False) as file:
            assert file.intact().all()
            found[entry.path.relative_to(folder).as_posix()] = file.read()
    return found


def labels_in(path) -> dict[str, np.ndarray]:
    """What each classifier predicts for each row, by fold and classifier."""
    found = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset) and "predicted" in name:
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["auto", "tensorflow"])
def test_features_of_birds_agree_to_1e_5_and_predictions_row_for_row(engine, cub_root, tmp_path):
    def predicted(executor: str):
        folder = tmp_path / executor.partition(":")[0]
        recipe = Recipe(
            dataset=f"cub200:root={cub_root},limit=12",
            backbones=(
                f"efficientnet-lite0:engine={engine},pooling=avg+max",
                f"efficientnet-lite2:engine={engine}",
            ),
            executor=executor,
        )
        folder.mkdir()
        store, outputs = FeatureStore(folder / "features"), Outputs(folder=folder)
        run(recipe, registry(), store, SilentReporter(), outputs=outputs)
        return features_in(folder / "features"), labels_in(folder / "probabilities.h5")

    features, rows = predicted("local")
    assert rows
    for executor in ("processes:workers=2", "dask:workers=2"):
        found, others = predicted(executor)
        assert found.keys() == features.keys()
        for name, matrix in features.items():
            assert relative_differences(found[name], matrix).max() < 1e-5, name
        assert others.keys() == rows.keys()
        for name, labels in rows.items():
            assert np.array_equal(others[name], labels), name
