"""lda, ridge and prototypes equal scikit-learn's, and fits without each row where rows are left out."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifierCV
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from support.conformance import broken
from support.making import blobs, create
from threadpoolctl import threadpool_limits

from stackkit.api import group_argument
from stackkit_plugins import lda, prototypes, ridge
from stackkit_plugins.lda.covariance import ShrunkCovariance
from stackkit_plugins.lda.lda import ShrinkageLDA
from stackkit_plugins.lda.left_out import LeftOut
from stackkit_plugins.prototypes.prototypes import CosinePrototypes, cosines_left_out
from stackkit_plugins.ridge.ridge import PATH, RidgeLeaveOneOut
from stackkit_plugins.shared.linear_learners.centred_rows import CentredRows
from stackkit_plugins.shared.linear_learners.temperature import fit_factor

PLUGINS: dict[str, ModuleType] = {"lda": lda, "ridge": ridge, "prototypes": prototypes}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def pooled(
    d: int, sizes: tuple[int, ...] = (30, 20, 10), shift: float = 3, apart: float = 0.5
) -> tuple[Any, Any]:
    """Return (sum(sizes), d) float64 rows far from 0 of overlapping classes, and labels 1, 4, 7, ..."""
    random = np.random.default_rng(d)
    codes = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    means = apart * random.normal(size=(len(sizes), d))
    return shift + means[codes] + random.normal(size=(len(codes), d)), 1 + 3 * codes


# More rows than columns, and fewer: each learner then works on the smaller of two matrices.
SHAPES = pytest.mark.parametrize("d", [12, 90])
GROUPS = {
    "rows": None,
    "groups": np.sort(np.random.default_rng(1).integers(0, 25, 60)),
}  # of one to five rows, mixed classes
GROUPINGS = pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
WEIGHTS = pytest.mark.parametrize("class_weight", [None, "balanced"])


def each(groups: Any) -> Any:
    return np.arange(60) if groups is None else groups


@pytest.mark.parametrize("name", PLUGINS)
def test_they_pass_all_checks(name: str):
    assert broken(PLUGINS[name].__name__) == {}


@pytest.mark.slow
@pytest.mark.parametrize("text", ["lda:shrinkage=1", "ridge:alpha=2", "prototypes:temperature=0.1"])
@pytest.mark.parametrize("normalise", ["none", "standardise", "l2"])
def test_they_pass_all_checks_with_other_options(text: str, normalise: str):
    module = PLUGINS[text.partition(":")[0]].__name__
    assert broken(module, f"{text},normalise={normalise}") == {}


@SHAPES
@WEIGHTS
@pytest.mark.parametrize("shrinkage", [0.3, 0.01, 1.0])
def test_lda_is_scikit_learns(d: int, class_weight, shrinkage: float):
    X, y = pooled(d)
    priors = None if class_weight is None else np.full(3, 1 / 3)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=priors).fit(X, y)
    new = pooled(d, (9, 9, 9))[0]
    found = create(lda, shrinkage=shrinkage, class_weight=class_weight, normalise="none", temperature=1)
    found.fit(X, y)
    assert found.predict(new).tolist() == theirs.predict(new).tolist()
    assert found.predict_proba(new) == pytest.approx(theirs.predict_proba(new), rel=1e-6, abs=1e-12)


def means_of(X: Any, codes: Any, kept: Any = slice(None)) -> Any:
    return np.stack([X[kept][codes[kept] == k].mean(axis=0) for k in range(codes.max() + 1)])


def lda_left_out(X: Any, codes: Any, weights: Any, groups: Any, shrinkage: float) -> Any:
    """Scores of rows by analyses without their group, with the same ridge and divisor."""

    def scatter(means: Any, kept: Any) -> Any:
        rows = (X - means[codes])[kept]
        return (rows.T * weights[kept] / len(X)) @ rows

    everything = scatter(means_of(X, codes), np.full(len(X), True))
    ridge = shrinkage * np.trace(everything) / X.shape[1] * np.eye(X.shape[1])
    scores = np.empty((len(X), codes.max() + 1))
    for group in np.unique(groups):
        kept = groups != group
        means = means_of(X, codes, kept)
        slopes = np.linalg.solve((1 - shrinkage) * scatter(means, kept) + ridge, means.T)
        scores[~kept] = X[~kept] @ slopes - np.einsum("kd,dk->k", means, slopes) / 2
    return scores + np.log(np.bincount(codes, weights) / len(X))


@SHAPES
@GROUPINGS
@WEIGHTS
def test_lda_leaves_rows_out_as_fits_without_them_do(d: int, groups, class_weight):
    X, y = pooled(d)
    codes = y // 3
    weights = np.ones(60) if class_weight is None else (60 / (3 * np.bincount(codes)))[codes]
    expected = lda_left_out(X, codes, weights, each(groups), 0.3)
    fitted = ShrinkageLDA(class_weight=class_weight).fit(X, y, groups)
    assert fitted.factor_ == pytest.approx(fit_factor(expected, codes), rel=1e-4)

    means, priors = means_of(X, codes), np.bincount(codes, weights) / 60
    rows = CentredRows(X, means, codes, np.sqrt(weights / 60))
    found = LeftOut(
        rows=rows,
        covariance=ShrunkCovariance(rows, 0.7, 0.3 * rows.squares() / d),
        share=0.7,
        coefficients=fitted.coef_,
        directions=(means - priors @ means).T,
        priors=priors,
        sizes=np.bincount(codes),
    ).scores(groups)
    assert softmax(found, axis=1) == pytest.approx(softmax(expected, axis=1), abs=1e-9)


def test_lda_is_not_too_sure_where_features_outnumber_rows():
    X, y = pooled(300, (40, 40, 40), apart=0.2)
    found, theirs = (
        create(lda, normalise="none", temperature=temperature).fit(X[:60], y[:60])
        for temperature in ("auto", 1)
    )
    losses = [
        -np.log(np.maximum(one.predict_proba(X[60:])[np.arange(60), y[60:] // 3], 1e-15)).mean()
        for one in (found, theirs)
    ]
    assert losses[0] < 0.5 * losses[1]


@SHAPES
@WEIGHTS
def test_ridge_selects_and_predicts_as_scikit_learns(d: int, class_weight):
    X, y = pooled(d)
    alphas = [300.0, 30.0, 3.0]
    theirs = RidgeClassifierCV(alphas=alphas, class_weight=class_weight).fit(X, y)
    found = RidgeLeaveOneOut(alpha=float(theirs.alpha_), class_weight=class_weight).fit(X, y)
    assert found.coef_ == pytest.approx(theirs.coef_, rel=1e-6, abs=1e-9)
    assert found.decision_function(X) == pytest.approx(theirs.decision_function(X), rel=1e-6, abs=1e-9)
    if class_weight is None:  # scikit-learn weights the errors too
        tuned = RidgeLeaveOneOut().fit(X, y)
        theirs = RidgeClassifierCV(alphas=list(tuned.losses_), store_cv_results=True).fit(X, y)
        assert tuned.alpha_ == theirs.alpha_
        errors = theirs.cv_results_.mean(axis=(0, 1))
        assert list(tuned.losses_.values()) == pytest.approx(errors, rel=1e-6)


@SHAPES
@GROUPINGS
@WEIGHTS
def test_ridge_leaves_rows_out_as_fits_without_them_do(d: int, groups, class_weight):
    X, y = pooled(d)
    codes = y // 3
    weights = np.ones(60) if class_weight is None else (60 / (3 * np.bincount(codes)))[codes]
    targets = np.where(codes[:, None] == np.arange(3), 1.0, -1.0)
    wide = np.hstack([X, np.ones((60, 1))])
    penalty = 20 * np.diag([*np.ones(d), 0])
    scores = np.empty((60, 3))
    for group in np.unique(each(groups)):
        kept = each(groups) != group
        rows = wide[kept].T * weights[kept]
        scores[~kept] = wide[~kept] @ np.linalg.solve(rows @ wide[kept] + penalty, rows @ targets[kept])
    found = RidgeLeaveOneOut(alpha=20.0, class_weight=class_weight).fit(X, y, groups)
    assert found.factor_ == pytest.approx(fit_factor(scores, codes), rel=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_penalty_of_ridge_follows_the_scale_of_the_features(scale: float):
    X, y = pooled(12)
    found, scaled = RidgeLeaveOneOut().fit(X, y), RidgeLeaveOneOut().fit(scale * X, y)
    assert scaled.alpha_ == pytest.approx(scale**2 * found.alpha_)
    assert scaled.predict_proba(scale * X) == pytest.approx(found.predict_proba(X), rel=1e-6)
    assert len(found.losses_) == len(PATH)
    assert min(found.losses_) < found.alpha_ < max(found.losses_)


@SHAPES
def test_prototypes_are_the_nearest_centroids_by_angle(d: int):
    X, y = pooled(d, shift=0)
    centroids = NearestCentroid().fit(Normalizer().fit_transform(X), y)
    expected = cosine_similarity(X, centroids.centroids_)
    found = create(prototypes, normalise="none", temperature=0.1).fit(X, y)
    assert found.decision_function(X) == pytest.approx(expected, abs=1e-12)
    assert found.predict(X).tolist() == centroids.classes_[expected.argmax(axis=1)].tolist()
    assert found.predict_proba(X) == pytest.approx(softmax(10 * expected, axis=1), abs=1e-9)


@SHAPES
@GROUPINGS
def test_prototypes_leave_rows_out_as_fits_without_them_do(d: int, groups):
    X, y = pooled(d, shift=1)
    rows, codes = Normalizer().fit_transform(X), y // 3
    expected = np.empty((60, 3))
    for group in np.unique(each(groups)):
        kept = each(groups) != group
        expected[~kept] = cosine_similarity(rows[~kept], means_of(rows, codes, kept))
    assert cosines_left_out(rows, codes, groups) == pytest.approx(expected, abs=1e-12)
    found = CosinePrototypes().fit(X, y, groups)
    assert found.factor_ == pytest.approx(fit_factor(expected, codes), rel=1e-4)


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("normalise", ["power", "standardise"])
def test_normalising_equals_a_scikit_learn_pipeline(name: str, normalise: str):
    steps: dict[str, tuple[Any, ...]] = {
        "standardise": (StandardScaler(),),
        "power": (FunctionTransformer(lambda X: np.sign(X) * np.abs(X) ** 0.5), Normalizer()),
    }
    X, y = blobs()
    scaled = make_pipeline(*steps[normalise]).fit_transform(X)
    groups = np.repeat(np.arange(40), 3)
    learner = create(PLUGINS[name], normalise=normalise).fit(X, y, groups)
    plain = create(PLUGINS[name], normalise="none").fit(scaled, y, groups)
    assert learner.predict_proba(X).tolist() == plain.predict_proba(scaled).tolist()


@pytest.mark.parametrize("name", PLUGINS)
def test_copies_of_a_row_are_left_out_together(name: str):
    """Labels are random. Copies let a learner believe what it has seen."""
    random = np.random.default_rng(0)
    X = np.repeat(random.normal(size=(40, 30)), 4, axis=0).astype(np.float32)
    y, groups = np.repeat(random.integers(0, 2, 40), 4), np.repeat(np.arange(40), 4)
    learner = create(PLUGINS[name])
    assert group_argument(learner.fit, groups)
    apart, together = clone(learner).fit(X, y), clone(learner).fit(X, y, groups=groups)
    sure, unsure = (np.max(one.predict_proba(X), axis=1).mean() for one in (apart, together))
    assert sure > 0.7
    assert unsure < 0.6


SMALL: dict[str, Callable[[Any], Any]] = {
    "one row each": lambda y: [int(np.flatnonzero(y == label)[0]) for label in (1, 4, 7)],
    "one of two": lambda y: [*np.flatnonzero(y == 1)[:3], *np.flatnonzero(y == 4)[:1]],
    "copies": lambda y: [int(np.flatnonzero(y == label)[0]) for label in (1, 1, 4, 4, 7)],
}


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("case", SMALL)
@pytest.mark.filterwarnings("ignore:no class has two:UserWarning")
def test_classes_of_one_or_two_rows_are_learned_too(name: str, case: str):
    X, y = blobs()
    rows = SMALL[case](y)
    learner = create(PLUGINS[name]).fit(X[rows], y[rows])
    assert learner.predict(X[rows]).tolist() == y[rows].tolist()
    assert np.isfinite(learner.predict_proba(X)).all()
    constant = create(PLUGINS[name]).fit(np.zeros_like(X[rows]), y[rows])
    assert np.isfinite(constant.predict_proba(X)).all()


@pytest.mark.parametrize("name", PLUGINS)
def test_a_warning_says_that_no_row_could_be_left_out(name: str):
    X, y = blobs()
    with pytest.warns(UserWarning, match="no class has two groups, so probabilities are not calibrated"):
        create(PLUGINS[name]).fit(X, y, y)


@pytest.mark.parametrize("name", PLUGINS)
def test_one_class_is_refused(name: str):
    X, y = blobs()
    with pytest.raises(ValueError, match="y must have at least two classes, got only class 4"):
        create(PLUGINS[name]).fit(X[y == 4], y[y == 4])
