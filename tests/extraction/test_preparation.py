"""Backbones are prepared before a row is stored, and the estimate comes from that."""

import json

import h5py
import numpy as np
import pytest
from support.extracting import MeanColours, checked, directly, extracted, stored

from stackkit.api.backbone import Readiness
from stackkit.api.errors import ExtractionError, StoreError, WeightsError
from stackkit.api.reporter import SilentReporter
from stackkit.extraction.extract import estimate_extraction, extract, fingerprints

SETTINGS = {"engine": "abacus", "threads": 2}


class Preparing(MeanColours):
    """MeanColours that records its sample images; `answer` is a Readiness or returns one."""

    def __init__(self, size: int, answer=None, batch_size: int = 4) -> None:
        super().__init__(size)
        self.answer = answer or Readiness(settings=SETTINGS, batch_size=batch_size, images_per_s=6.0)
        self.sample_images, self.lengths = [], []

    def prepare(self, images, tell):
        self.sample_images.append(images)
        tell("counting beads")
        return self.answer() if callable(self.answer) else self.answer

    def extract(self, images):
        self.lengths.append(len(images))
        return super().extract(images)


def provenance_of(store, backbone) -> list:
    """Return the provenance of the newest file of a backbone."""
    (checked_backbone,) = checked(backbone)
    paths = (store.folder / checked_backbone.key.folder).glob("*.h5")
    with h5py.File(max(paths, key=lambda path: path.stat().st_mtime_ns)) as file:
        return json.loads(file.attrs["provenance"])


def fail(error):
    raise error


class TestPrepare:
    def test_it_gets_images_of_the_dataset_once_before_the_first_row(self, birds, store):
        backbone = Preparing(32)
        extracted(birds, store, backbone)
        (images,) = backbone.sample_images
        assert images.shape == (4, 32, 32, 3)
        assert np.array_equal(MeanColours(32).extract(images), directly(birds, MeanColours(32))[:4])

    def test_the_sample_images_are_not_decoded_again(self, birds, store):
        _, found = extracted(birds, store, Preparing(32), Preparing(48), MeanColours(20))
        assert sorted(birds.decoded) == list(range(18))
        for (features, intact), size in zip(found, (32, 48, 20), strict=True):
            assert intact.all()
            assert np.array_equal(features, directly(birds, MeanColours(size)))

    def test_its_settings_are_in_the_provenance_of_the_file(self, birds, store):
        extracted(birds, store, Preparing(32))
        (origin,) = provenance_of(store, Preparing(32))
        assert origin["runtime"] == SETTINGS

    def test_it_is_told_beforehand_how_many_images_it_will_compute(self, birds, store):
        backbone, told = Preparing(32), []
        backbone.expect = lambda images: told.append((images, list(backbone.sample_images)))
        extracted(birds, store, backbone)
        extracted(birds, store, backbone)
        assert told == [(18, [])]

    def test_it_is_not_prepared_if_all_rows_are_stored(self, birds, store):
        extracted(birds, store, Preparing(32))
        again = Preparing(32)
        extracted(birds, store, again)
        assert again.sample_images == []
        assert len(provenance_of(store, again)) == 1

    def test_only_backbones_with_pending_rows_are_prepared(self, birds, store):
        extracted(birds, store, Preparing(32))
        old, new = Preparing(32), Preparing(48)
        extracted(birds, store, old, new)
        assert (len(old.sample_images), len(new.sample_images)) == (0, 1)

    def test_the_sample_images_are_readable_ones(self, birds, store):
        for number in range(5):
            (birds.dataset.root / birds.samples[number].id).write_bytes(b"no image")
        backbone = Preparing(32)
        summary, [(_, intact)] = extracted(birds, store, backbone)
        assert [len(images) for images in backbone.sample_images] == [3]  # of the second four
        assert len(summary.failed) == 5
        assert np.flatnonzero(intact).tolist() == list(range(5, 18))

    def test_without_a_readable_image_nothing_is_prepared_or_computed(self, birds, store):
        for sample in birds.samples:
            (birds.dataset.root / sample.id).write_bytes(b"no image")
        backbone = Preparing(32)
        summary, _ = extracted(birds, store, backbone)
        assert (backbone.sample_images, backbone.calls, len(summary.failed)) == ([], 0, 18)

    def test_images_that_cannot_be_decoded_prepare_nothing_and_add_no_provenance(self, birds, store):
        place = birds.dataset.root / birds.samples[7].id
        whole = place.read_bytes()
        place.write_bytes(b"no image")
        first, again, other = Preparing(32), Preparing(32), Preparing(48)
        again.answer = Readiness(settings={"engine": "fingers"}, batch_size=4)
        extracted(birds, store, first)
        extracted(birds, store, again, other)  # a backbone without any rows changes nothing
        assert (len(again.sample_images), len(other.sample_images)) == (0, 1)
        assert [origin["runtime"] for origin in provenance_of(store, first)] == [SETTINGS]
        place.write_bytes(whole)
        extracted(birds, store, again)
        assert len(provenance_of(store, first)) == 2

    def test_rows_removed_between_preparation_and_lock_are_computed(self, birds, store):
        extracted(birds, store, Preparing(32))
        rows, _ = fingerprints("birds", birds, SilentReporter())
        old, new = checked(Preparing(32), Preparing(48))
        expected = []

        def expect(estimate):
            if not expected:
                store.path(old.key, rows).unlink()
            expected.append([one.images for one in estimate.backbones])

        extract(birds, rows, [old, new], store, SilentReporter(), expect=expect)
        assert expected == [[0, 18], [18, 18]]
        for named in (old, new):
            assert stored(store, named, rows)[1].all()
            assert provenance_of(store, named.backbone)[0]["runtime"] == SETTINGS

    def test_it_gets_the_batch_size_it_requests(self, birds, store):
        small, large = Preparing(32, batch_size=4), Preparing(48, batch_size=8)
        extracted(birds, store, small, large)
        assert small.lengths == large.lengths == [4, 8, 6]  # the first four are the sample images

    def test_a_batch_size_may_be_a_numpy_integer(self, birds, store):
        backbone = Preparing(32, batch_size=np.int64(8))
        extracted(birds, store, backbone)
        assert backbone.lengths == [4, 8, 6]

    def test_all_backbones_get_the_largest_batch_size_requested(self, birds, store):
        small, large = Preparing(32, batch_size=3), Preparing(48, batch_size=7)
        extracted(birds, store, small, large)
        assert small.lengths == large.lengths == [4, 7, 7]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda: fail(ZeroDivisionError("no beads")), "from colours.* ZeroDivisionError: no beads"),
            (lambda: fail(SystemExit(3)), "SystemExit: 3"),
            (lambda: {"batch_size": 4}, "must return a Readiness, got dict"),
            (Readiness(settings={"x": object()}, batch_size=4), "not JSON serializable"),
            (Readiness(settings=[1], batch_size=4), "from colours.* settings must be a dict, got list"),
            (Readiness(settings={}, batch_size=0), "batch_size must be an integer >= 1, got 0"),
            (Readiness(settings={}, batch_size=4.0), "batch_size must be an integer >= 1, got 4.0"),
            (
                Readiness(settings={}, batch_size=4, images_per_s=0.0),
                "images_per_s must be a finite number > 0 or None, got 0.0",
            ),
        ],
    )
    def test_an_invalid_answer_names_the_backbone_and_nothing_is_stored(
        self, birds, store, answer, words
    ):
        with pytest.raises(ExtractionError, match=f"colours-0 .*{words}"):
            extracted(birds, store, Preparing(32, answer))
        assert not store.folder.exists()

    def test_errors_of_stackkit_keep_their_type(self, birds, store):
        with pytest.raises(WeightsError, match="lost"):
            extracted(birds, store, Preparing(32, lambda: fail(WeightsError("lost"))))


class TestEstimate:
    def test_time_and_disk_space_are_estimated_before_a_file_is_created(self, birds, store):
        seen = []

        def expect(estimate):
            seen.append(estimate)
            assert not store.folder.exists()

        rows, _ = fingerprints("birds", birds, SilentReporter())
        backbones = checked(Preparing(32), MeanColours(48))
        extract(birds, rows, backbones, store, SilentReporter(), expect=expect)
        (estimate,) = seen
        measured, unmeasured = estimate.backbones
        assert (measured.images, measured.seconds, measured.new_bytes) == (18, 3.0, 18 * 12 * 4)
        assert (unmeasured.images, unmeasured.seconds) == (18, None)
        assert (estimate.seconds, estimate.is_complete) == (3.0, False)
        assert estimate.free_bytes > estimate.new_bytes == 2 * 18 * 12 * 4

    def test_stored_rows_need_neither_time_nor_space(self, birds, store):
        extracted(birds, store, MeanColours(32))
        rows, _ = fingerprints("birds", birds, SilentReporter())
        estimate = estimate_extraction(birds, rows, checked(MeanColours(32)), store, SilentReporter())
        assert (estimate.seconds, estimate.is_complete, estimate.new_bytes) == (0.0, True, 0)

    def test_estimating_measures_backbones_without_a_speed_and_stores_nothing(self, birds, store):
        rows, _ = fingerprints("birds", birds, SilentReporter())
        estimate = estimate_extraction(birds, rows, checked(MeanColours(32)), store, SilentReporter())
        assert estimate.is_complete
        assert estimate.seconds > 0
        assert not store.folder.exists()
        assert len(birds.decoded) == 4

    def test_a_disk_that_is_too_small_is_refused_before_a_row_is_computed(
        self, birds, store, monkeypatch
    ):
        monkeypatch.setattr("stackkit.extraction.extract.free_bytes", lambda folder: 100)
        backbone = MeanColours(32)
        with pytest.raises(StoreError, match=r"need 0.0 MB and the disk has 0.0 MB free; free some"):
            extracted(birds, store, backbone)
        assert backbone.calls == 0
        assert not store.folder.exists()
