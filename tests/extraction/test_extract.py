"""Extraction of real images: each is decoded once, each row computed once, no finished row is lost."""

import time

import numpy as np
import pytest
from support.extracting import Counting, MeanColours, checked, directly, extracted, stored

from stackkit.api.errors import ExtractionError, ImageError
from stackkit.api.reporter import SilentReporter
from stackkit.extraction.decoding import AHEAD
from stackkit.extraction.extract import extract, fingerprints
from stackkit_plugins.image_folder.dataset import ImageFolder


class Failing(MeanColours):
    """MeanColours that returns `fault(features)` at call number `at`."""

    def __init__(self, size: int, fault, at: int = 1) -> None:
        super().__init__(size)
        self.fault, self.at = fault, at

    def extract(self, images):
        features = super().extract(images)
        return self.fault(features) if self.calls == self.at else features


class TestEachImageOnce:
    def test_features_equal_those_of_the_backbone_called_directly(self, birds, store):
        backbones = MeanColours(32), MeanColours(48)
        _, found = extracted(birds, store, *backbones)
        for backbone, (features, intact) in zip(backbones, found, strict=True):
            assert intact.all()
            assert np.array_equal(features, directly(birds, backbone))

    def test_an_image_is_decoded_once_for_all_backbones(self, birds, store):
        extracted(birds, store, MeanColours(32), MeanColours(48), MeanColours(20))
        assert sorted(birds.decoded) == list(range(18))

    def test_backbones_of_one_size_share_the_pixels(self, birds, store):
        class Keeping(MeanColours):
            def extract(self, images):
                self.images = images
                return super().extract(images)

        one, other, larger = Keeping(32), Keeping(32), Keeping(48)
        other.revision = "2"
        extracted(birds, store, one, other, larger)
        assert one.images is other.images
        assert larger.images.shape[1] == 48

    def test_images_are_decoded_while_a_network_computes(self, birds, store):
        class Waiting(MeanColours):
            def extract(self, images):
                deadline = time.monotonic() + 10
                while self.calls == 1 and len(birds.decoded) < 4 * (2 + AHEAD):
                    assert time.monotonic() < deadline, "no image was decoded in the meantime"
                return super().extract(images)

        extracted(birds, store, Waiting(32))

    def test_a_backbone_may_fill_one_buffer_again_and_again(self, birds, store):
        class WithBuffer(MeanColours):
            buffer = np.empty((4, 12), np.float32)

            def extract(self, images):
                features = self.buffer[: len(images)]
                features[:] = super().extract(images)
                return features

        _, [(features, _)] = extracted(birds, store, WithBuffer(32))
        assert np.array_equal(features, directly(birds, MeanColours(32)))

    def test_a_second_extraction_decodes_and_computes_nothing(self, birds, store):
        extracted(birds, store, MeanColours(32))
        birds.decoded.clear()
        again = MeanColours(32)
        summary, _ = extracted(birds, store, again)
        assert (again.calls, birds.decoded) == (0, [])
        assert (summary.computed, summary.reused) == ({"colours-0": 0}, {"colours-0": 18})

    def test_a_backbone_added_later_does_not_recompute_the_others(self, birds, store):
        extracted(birds, store, MeanColours(32))
        old, new = MeanColours(32), MeanColours(48)
        summary, _ = extracted(birds, store, old, new)
        assert old.calls == 0
        assert summary.computed == {"colours-0": 0, "colours-1": 18}


class TestFailingImages:
    @pytest.fixture
    def broken(self, birds):
        """Number of an image with a file that is cut short."""
        path = birds.dataset.root / birds.samples[5].id
        path.write_bytes(path.read_bytes()[:700])
        return 5

    def test_a_broken_image_is_listed_and_the_others_get_rows(self, birds, store, broken):
        summary, [(features, intact)] = extracted(birds, store, MeanColours(32))
        (failure,) = summary.failed
        assert failure.id == birds.samples[broken].id
        assert failure.reason
        assert np.flatnonzero(~intact).tolist() == [broken]
        assert features[intact].all()
        assert summary.computed == {"colours-0": 17}

    def test_a_repaired_image_costs_only_its_row(self, birds, store, broken, bird_folder):
        name = birds.samples[broken].id
        extracted(birds, store, MeanColours(32))
        (birds.dataset.root / name).write_bytes((bird_folder / name).read_bytes())
        repaired = Counting(ImageFolder(birds.dataset.root))
        summary, [(features, intact)] = extracted(repaired, store, MeanColours(32))
        assert (summary.computed, summary.failed) == ({"colours-0": 1}, ())
        assert intact.all()
        assert np.array_equal(features, directly(repaired, MeanColours(32)))

    def test_strict_stops_at_a_broken_image(self, birds, store, broken):
        with pytest.raises(ImageError, match=birds.samples[broken].id):
            extracted(birds, store, MeanColours(32), strict=True)


def with_nan(features):
    features[2, 1] = np.nan
    return features


def broken_network(features):
    raise ZeroDivisionError("no pixels")


def ctrl_c(features):
    raise KeyboardInterrupt


class TestReplacedImages:
    def test_an_image_replaced_before_it_is_decoded_gets_no_row_of_the_old_image(self, birds, store):
        rows, _ = fingerprints("birds", birds, SilentReporter())
        old, new = (birds.dataset.root / birds.samples[number].id for number in (7, 8))
        old.write_bytes(new.read_bytes())
        (backbone,) = checked(MeanColours(32))
        summary = extract(birds, rows, [backbone], store, SilentReporter())
        (failure,) = summary.failed
        assert (failure.id, failure.reason.split(";")[0]) == (
            birds.samples[7].id, "the image was replaced during this run"
        )  # fmt: skip
        assert np.flatnonzero(~stored(store, backbone, rows)[1]).tolist() == [7]
        again, [(features, _)] = extracted(birds, store, MeanColours(32))
        assert again.computed == {"colours-0": 0}, "its row is copied from the other image"
        assert np.array_equal(features, directly(birds, MeanColours(32)))

    def test_strict_stops_at_a_replaced_image(self, birds, store):
        rows, _ = fingerprints("birds", birds, SilentReporter())
        (birds.dataset.root / birds.samples[7].id).write_bytes(
            (birds.dataset.root / birds.samples[8].id).read_bytes()
        )
        with pytest.raises(ImageError, match="replaced during this run"):
            extract(birds, rows, checked(MeanColours(32)), store, SilentReporter(), strict=True)


class TestFailingBackbones:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (lambda f: f[:, :3], r"shape \(4, 12\) and dtype float32, got shape \(4, 3\)"),
            (lambda f: f.astype(np.float64), "float64"),
            (lambda f: f.tolist(), "list"),
            (broken_network, "from colours.*ZeroDivisionError: no pixels"),
        ],
        ids=["shape", "dtype", "list", "raises"],
    )
    def test_the_error_names_the_backbone_and_what_is_wrong(self, birds, store, fault, words):
        with pytest.raises(ExtractionError, match=rf"colours-0 .*{words}"):
            extracted(birds, store, Failing(32, fault))

    def test_nan_is_an_error_that_names_the_image(self, birds, store):
        with pytest.raises(ExtractionError, match=f"colours-0 .*{birds.samples[6].id}"):
            extracted(birds, store, Failing(32, with_nan, at=2))

    def test_a_backbone_that_changes_its_images_in_place_is_an_error(self, birds, store):
        class Scaling(MeanColours):
            def extract(self, images):
                images //= 2
                return super().extract(images)

        with pytest.raises(ExtractionError, match="read-only"):
            extracted(birds, store, Scaling(32))

    @pytest.mark.parametrize(
        ("fault", "error"), [(ctrl_c, KeyboardInterrupt), (broken_network, ExtractionError)]
    )
    def test_finished_rows_are_kept_and_the_next_run_resumes(self, birds, store, fault, error):
        with pytest.raises(error):
            extracted(birds, store, Failing(32, fault, at=3))
        summary, [(features, intact)] = extracted(birds, store, MeanColours(32))
        assert (summary.reused, summary.computed) == ({"colours-0": 8}, {"colours-0": 10})
        assert intact.all()
        assert np.array_equal(features, directly(birds, MeanColours(32)))
