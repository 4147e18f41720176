import numpy as np
import pytest

from stackkit.api.state import State
from stackkit.evaluation.features import Features
from stackkit.model.novelty import NoveltyDetector, fit_novelty

D, CLASSES = 64, 5


def drawn(per_class: int, seed: int, centres_seed: int = 0, views: int = 1) -> list[Features]:
    """Features of two backbones around class centres, as positive as those of networks are."""
    found = []
    for number in range(2):
        centres = (
            np.random.default_rng([centres_seed, number]).gamma(1.0, size=(CLASSES, D)) * 10**number
        )
        random = np.random.default_rng([seed, number])
        rows = np.repeat(centres, per_class, axis=0)
        matrices = [
            np.abs(rows * random.lognormal(0, 0.5, size=rows.shape)).astype(np.float32)
            for _ in range(views)
        ]
        found.append(Features.from_matrices(f"b{number}", matrices))
    return found


def fitted(per_class: int, views: int = 1) -> NoveltyDetector:
    n = per_class * CLASSES
    labels, folds = np.repeat(np.arange(CLASSES), per_class), np.arange(n) % min(per_class, 3)
    return fit_novelty(drawn(per_class, 1, views=views), labels, folds)


@pytest.mark.parametrize(("per_class", "views"), [(2, 1), (3, 1), (20, 1), (20, 3)])
def test_images_of_other_classes_are_novel_and_new_images_of_the_known_ones_are_not(per_class, views):
    detector = fitted(per_class, views)
    known = detector.novelty(drawn(40, 2, views=views)) > detector.quantile
    others = detector.novelty(drawn(40, 3, centres_seed=9, views=views)) > detector.quantile
    assert known.mean() < 0.1  # 0.05 are expected, fewer where classes have few images
    assert others.mean() > 0.95


def test_the_share_of_known_images_that_are_flagged_is_what_the_quantile_says():
    found = fitted(100).novelty(drawn(200, 5))
    assert (found > 0.95).mean() == pytest.approx(0.05, abs=0.03)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_the_brightness_of_features_and_their_unit_do_not_matter():
    detector, plain = fitted(10), drawn(10, 2)
    scaled = [Features.from_matrix(each.label, 7 * each.matrices[0]) for each in plain]
    assert detector.novelty(scaled) == pytest.approx(detector.novelty(plain), abs=0.021)


def test_images_without_any_feature_and_classes_of_one_image_are_no_error():
    zeros = [Features.from_matrix(each.label, 0 * each.matrices[0]) for each in drawn(1, 1)]
    labels = np.arange(CLASSES)
    for features in (zeros, drawn(1, 1)):
        detector = fit_novelty(features, labels, labels % 2)
        assert np.isfinite(detector.novelty(zeros)).all()


def test_a_detector_of_200_classes_is_small():
    random = np.random.default_rng(0)
    features = [Features.from_matrix("b", random.random((800, 2048), dtype=np.float32))]
    state = fit_novelty(features, np.arange(800) % 200, np.arange(800) // 200 % 2).state()
    assert sum(each.nbytes for each in state.arrays.values()) < 2_000_000


def test_a_detector_comes_back_from_its_state_bit_for_bit():
    detector, features = fitted(5), drawn(5, 8)
    again = NoveltyDetector.from_state(detector.state())
    assert (again.novelty(features) == detector.novelty(features)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left_out": None}, "left_out must be"),
        ({"left_out": np.array([2.0, 1.0])}, "ascending"),
        ({"units": np.array([1.0, 0.0])}, "above 0"),
        ({"units": np.array([1.0])}, "expected 3 arrays, got 4"),
        ({"units": np.array([1.0, 1.0, 1.0])}, "means-2 must be"),
        ({"means-0": np.full((1, D), np.nan, dtype=np.float32)}, "not finite"),
        ({"means-1": np.zeros((1, D))}, "means-1 must be"),
    ],
)
def test_a_state_whose_arrays_do_not_fit_is_refused(change, message):
    state = fitted(5).state()
    arrays = {name: array for name, array in {**state.arrays, **change}.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        NoveltyDetector.from_state(State(values=state.values, arrays=arrays))
    with pytest.raises(ValueError, match="quantile must be"):
        NoveltyDetector.from_state(State(values={"quantile": 2.0}, arrays=state.arrays))
