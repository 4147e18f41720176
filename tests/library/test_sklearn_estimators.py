"""FeatureExtractor and StackedClassifier are estimators as scikit-learn wants them."""

import csv
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.models import coloured_images

import stackkit
from stackkit import FeatureExtractor, StackedClassifier
from stackkit.api.errors import ImageError, UsageError

BACKBONES = ("mean-colours", "colour-shares")


@pytest.fixture(scope="module")
def blocks(folder: Path) -> list[stackkit.FeatureTable]:
    """Features of both backbones."""
    return [stackkit.features(folder, name) for name in BACKBONES]


@pytest.fixture(scope="module")
def paths(folder: Path, blocks: list[stackkit.FeatureTable]) -> list[str]:
    return [str(folder / name) for name in blocks[0].ids]


@parametrize_with_checks([StackedClassifier()])
def test_the_stacked_classifier_passes_every_check_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([StackedClassifier(["logistic", "lda"], "stacked-logistic", refit=False)])
def test_a_stack_of_several_learners_passes_every_check_too(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "name",
    [
        # scikit-learn runs its other checks on tables of numbers, which are no images.
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_get_tags_default_keys",
        "check_valid_tag_types",
        "check_do_not_raise_errors_in_init_or_set_param",
    ],
)
def test_the_feature_extractor_passes_the_checks_that_need_no_table(name: str) -> None:
    if check := getattr(estimator_checks, name, None):
        check("FeatureExtractor", FeatureExtractor())


@pytest.mark.parametrize(
    ("learner", "aggregator", "refit"),
    [
        ("logistic", "average-svm", True),
        pytest.param("logistic", "stacked-logistic", True, marks=pytest.mark.slow),
        (["ridge", "lda"], "stacked-logistic", False),
        ("logistic", "concat", True),
    ],
)
def test_the_stack_predicts_what_a_run_predicts_on_the_same_folds(
    learner: Any,
    aggregator: str,
    refit: bool,
    folder: Path,
    blocks: list[stackkit.FeatureTable],
    tmp_path: Path,
) -> None:
    stackkit.run(
        folder,
        backbones=BACKBONES,
        learner=learner,
        aggregator=aggregator,
        baseline=[],
        refit=refit,
        out=tmp_path,
        html=False,
    )
    with (tmp_path / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (column,) = (each for each in rows[0] if re.match(f"{aggregator} .*: prediction$", each))
    expected = {row["id"]: row[column] for row in rows}
    stack = StackedClassifier(
        learner, aggregator, blocks=[each.X.shape[1] for each in blocks], refit=refit
    )
    X, y = np.hstack([each.X for each in blocks]), blocks[0].y
    found = cross_val_predict(stack, X, y, cv=StratifiedKFold(3))
    names = [blocks[0].classes[label] for label in found]
    assert dict(zip(blocks[0].ids, names, strict=True)) == expected


def test_features_are_those_of_the_store_in_whatever_form_images_are_given(
    paths: list[str], blocks: list[stackkit.FeatureTable]
) -> None:
    images = [Image.open(path) for path in paths]
    for given, cache in ((np.array(paths), True), ([*map(Path, paths)], False), (images, True)):
        extractor = FeatureExtractor("mean-colours", cache=cache)
        assert np.array_equal(extractor.fit_transform(given), blocks[0].X)
    twice = FeatureExtractor("mean-colours").transform([paths[3], paths[0], paths[3]])
    assert np.array_equal(twice, blocks[0].X[[3, 0, 3]])


def test_the_names_of_features_are_known_before_and_after_the_transform(paths: list[str]) -> None:
    names = FeatureExtractor("colour-shares").get_feature_names_out()
    extractor = FeatureExtractor("mean-colours").set_output(transform="pandas")
    frame = extractor.fit_transform(paths[:2])
    assert list(names[[0, -1]]) == ["featureextractor0", "featureextractor26"]
    assert list(frame.columns) == list(extractor.get_feature_names_out())
    assert extractor.transform([]).shape == (0, 48)
    assert len(extractor.set_params(backbone="colour-shares").get_feature_names_out()) == 27


def test_an_image_that_cannot_be_read_raises_its_error(paths: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    for cache in (True, False):
        extractor = FeatureExtractor("mean-colours", cache=cache)
        with pytest.raises(ImageError, match=r"broken\.png: cannot identify image file '[^()]*$"):
            extractor.transform([paths[0], broken])
        with pytest.raises(ImageError, match=r"missing\.png"):
            extractor.transform([tmp_path / "missing.png"])
    with pytest.raises(UsageError, match="unknown backbone 'nothing'"):
        FeatureExtractor("nothing").fit(paths)
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        FeatureExtractor("mean-colours", threads=0).fit(paths)


def test_a_pipeline_from_images_to_labels_is_searched_cloned_and_pickled(
    paths: list[str], blocks: list[stackkit.FeatureTable]
) -> None:
    names = np.array([blocks[0].classes[label] for label in blocks[0].y])
    pipeline = make_pipeline(FeatureExtractor("mean-colours"), StackedClassifier())
    assert cross_val_score(clone(pipeline), paths, names, cv=2).mean() > 0.8
    grid = {"stackedclassifier__learner": ["logistic:C=0.001", "logistic"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(paths, names)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    images, labels = coloured_images(2, seed=9)
    again.set_params(featureextractor__cache=False)
    assert again.predict(images).tolist() == [blocks[0].classes[label] for label in labels]
    assert np.array_equal(
        pickle.loads(pickle.dumps(again)).predict_proba(images), again.predict_proba(images)
    )


def test_groups_stay_together_in_the_inner_folds(blocks: list[stackkit.FeatureTable]) -> None:
    X, y = blocks[0].X, blocks[0].y
    apart = StackedClassifier(aggregator="stacked-logistic").fit(X, y)
    together = StackedClassifier(aggregator="stacked-logistic").fit(X, y, groups=np.arange(24) // 2)
    alone = StackedClassifier(aggregator="stacked-logistic").fit(X, y, groups=np.arange(24))
    assert not np.array_equal(apart.predict_proba(X), together.predict_proba(X))
    assert np.array_equal(apart.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"blocks": [40, 9]}, ValueError, r"blocks must be .*, 48 together, got \[40, 9\]"),
        ({"blocks": []}, ValueError, r"blocks must be .*, got \[\]"),
        ({"learner": []}, UsageError, "learner must name at least one learner"),
        ({"learner": "logistc"}, UsageError, "did you mean logistic"),
        ({"aggregator": "concat", "learner": "logistic,lda"}, UsageError, "fits one learner"),
    ],
)
def test_a_wrong_parameter_is_refused(
    parameters: dict[str, Any],
    error: type[Exception],
    message: str,
    blocks: list[stackkit.FeatureTable],
) -> None:
    with pytest.raises(error, match=message):
        StackedClassifier(**parameters).fit(blocks[0].X, blocks[0].y)
