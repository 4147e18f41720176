"""Backbones settle how they work before a row is kept, and the forecast comes from that."""

import json

import h5py
import numpy as np
import pytest
from support.extracting import MeanColours, extracted, named_of, plainly, stored

from stackkit.api.errors import ExtractionError, StoreError, WeightsError
from stackkit.api.types import Readiness, SilentReporter
from stackkit.extraction.extract import extract, fingerprints, foresee

SETTINGS = {"engine": "abacus", "threads": 2}


class Settling(MeanColours):
    """MeanColours that notes the probes it is shown; `answer` is a Readiness or makes one."""

    def __init__(self, size: int, answer=None, batch_size: int = 4) -> None:
        super().__init__(size)
        self.answer = answer or Readiness(settings=SETTINGS, batch_size=batch_size, images_per_s=6.0)
        self.probes, self.lengths = [], []

    def prepare(self, probe, tell):
        self.probes.append(probe)
        tell("counting beads")
        return self.answer() if callable(self.answer) else self.answer

    def extract(self, images):
        self.lengths.append(len(images))
        return super().extract(images)


def provenance_of(store, backbone) -> list:
    """That of the newest file of a backbone."""
    (named,) = named_of(backbone)
    paths = (store.folder / named.key.folder).glob("*.h5")
    with h5py.File(max(paths, key=lambda path: path.stat().st_mtime_ns)) as file:
        return json.loads(file.attrs["provenance"])


def fail(error):
    raise error


class TestPreparing:
    def test_it_is_shown_real_images_once_before_the_first_row(self, birds, store):
        backbone = Settling(32)
        extracted(birds, store, backbone)
        (probe,) = backbone.probes
        assert probe.shape == (4, 32, 32, 3)
        assert np.array_equal(MeanColours(32).extract(probe), plainly(birds, MeanColours(32))[:4])

    def test_the_images_of_the_probe_are_not_decoded_again(self, birds, store):
        _, found = extracted(birds, store, Settling(32), Settling(48), MeanColours(20))
        assert sorted(birds.decoded) == list(range(18))
        for (features, intact), size in zip(found, (32, 48, 20), strict=True):
            assert intact.all()
            assert np.array_equal(features, plainly(birds, MeanColours(size)))

    def test_what_it_settled_is_in_the_files_provenance(self, birds, store):
        extracted(birds, store, Settling(32))
        (origin,) = provenance_of(store, Settling(32))
        assert origin["runtime"] == SETTINGS

    def test_it_settles_nothing_when_all_rows_are_stored(self, birds, store):
        extracted(birds, store, Settling(32))
        again = Settling(32)
        extracted(birds, store, again)
        assert again.probes == []
        assert len(provenance_of(store, again)) == 1

    def test_only_those_that_lack_rows_settle_anything(self, birds, store):
        extracted(birds, store, Settling(32))
        old, new = Settling(32), Settling(48)
        extracted(birds, store, old, new)
        assert (len(old.probes), len(new.probes)) == (0, 1)

    def test_the_probe_is_of_images_that_can_be_read(self, birds, store):
        for number in range(5):
            (birds.dataset.root / birds.samples[number].id).write_bytes(b"no image")
        backbone = Settling(32)
        summary, [(_, intact)] = extracted(birds, store, backbone)
        assert [len(probe) for probe in backbone.probes] == [3]  # of the second four
        assert len(summary.failed) == 5
        assert np.flatnonzero(intact).tolist() == list(range(5, 18))

    def test_without_one_readable_image_nothing_is_settled_or_computed(self, birds, store):
        for sample in birds.samples:
            (birds.dataset.root / sample.id).write_bytes(b"no image")
        backbone = Settling(32)
        summary, _ = extracted(birds, store, backbone)
        assert (backbone.probes, backbone.calls, len(summary.failed)) == ([], 0, 18)

    def test_images_that_cannot_be_decoded_are_no_reason_to_settle_and_no_origin(self, birds, store):
        place = birds.dataset.root / birds.samples[7].id
        whole = place.read_bytes()
        place.write_bytes(b"no image")
        first, again, other = Settling(32), Settling(32), Settling(48)
        again.answer = Readiness(settings={"engine": "fingers"}, batch_size=4)
        extracted(birds, store, first)
        extracted(birds, store, again, other)  # another one that lacks all of them changes nothing
        assert (len(again.probes), len(other.probes)) == (0, 1)
        assert [origin["runtime"] for origin in provenance_of(store, first)] == [SETTINGS]
        place.write_bytes(whole)
        extracted(birds, store, again)
        assert len(provenance_of(store, first)) == 2

    def test_rows_that_go_between_warm_up_and_lock_are_computed(self, birds, store):
        extracted(birds, store, Settling(32))
        rows, _ = fingerprints("birds", birds, SilentReporter())
        old, new = named_of(Settling(32), Settling(48))
        expected = []

        def expect(forecast):
            if not expected:
                store.path(old.key, rows).unlink()
            expected.append([one.images for one in forecast.backbones])

        extract(birds, rows, [old, new], store, SilentReporter(), expect=expect)
        assert expected == [[0, 18], [18, 18]]
        for named in (old, new):
            assert stored(store, named, rows)[1].all()
            assert provenance_of(store, named.backbone)[0]["runtime"] == SETTINGS

    def test_it_is_handed_the_batches_it_wants(self, birds, store):
        small, large = Settling(32, batch_size=4), Settling(48, batch_size=8)
        extracted(birds, store, small, large)
        assert small.lengths == large.lengths == [4, 8, 6]  # the first four are the probe

    def test_a_batch_size_may_be_one_of_numpys_integers(self, birds, store):
        backbone = Settling(32, batch_size=np.int64(8))
        extracted(birds, store, backbone)
        assert backbone.lengths == [4, 8, 6]

    def test_it_is_handed_more_where_another_wants_more_and_never_less_for_that(self, birds, store):
        small, large = Settling(32, batch_size=3), Settling(48, batch_size=7)
        extracted(birds, store, small, large)
        assert small.lengths == large.lengths == [4, 7, 7]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda: fail(ZeroDivisionError("no beads")), "from colours.* ZeroDivisionError: no beads"),
            (lambda: fail(SystemExit(3)), "SystemExit: 3"),
            (lambda: {"batch_size": 4}, "must return a Readiness and returned dict"),
            (Readiness(settings={"x": object()}, batch_size=4), "not JSON serializable"),
            (Readiness(settings=[1], batch_size=4), "from colours.* settings are a list; a dict"),
            (Readiness(settings={}, batch_size=0), "batch_size 0: a whole number above 0"),
            (Readiness(settings={}, batch_size=4.0), "batch_size 4.0: a whole number above 0"),
            (Readiness(settings={}, batch_size=4, images_per_s=0.0), "images_per_s 0.0"),
        ],
    )
    def test_what_goes_wrong_is_said_with_its_name_and_nothing_is_stored(
        self, birds, store, answer, words
    ):
        with pytest.raises(ExtractionError, match=f"colours-0 .*{words}"):
            extracted(birds, store, Settling(32, answer))
        assert not store.folder.exists()

    def test_its_own_errors_stay_what_they_are(self, birds, store):
        with pytest.raises(WeightsError, match="lost"):
            extracted(birds, store, Settling(32, lambda: fail(WeightsError("lost"))))


class TestForecast:
    def test_time_and_disk_are_foretold_before_a_file_is_made(self, birds, store):
        seen = []

        def expect(forecast):
            seen.append(forecast)
            assert not store.folder.exists()

        rows, _ = fingerprints("birds", birds, SilentReporter())
        backbones = named_of(Settling(32), MeanColours(48))
        extract(birds, rows, backbones, store, SilentReporter(), expect=expect)
        (forecast,) = seen
        told, silent = forecast.backbones
        assert (told.images, told.seconds, told.new_bytes) == (18, 3.0, 18 * 12 * 4)
        assert (silent.images, silent.seconds) == (18, None)
        assert (forecast.seconds, forecast.is_complete) == (3.0, False)
        assert forecast.free_bytes > forecast.new_bytes == 2 * 18 * 12 * 4

    def test_rows_that_are_stored_take_neither_time_nor_room(self, birds, store):
        extracted(birds, store, MeanColours(32))
        rows, _ = fingerprints("birds", birds, SilentReporter())
        forecast = foresee(birds, rows, named_of(MeanColours(32)), store, SilentReporter())
        assert (forecast.seconds, forecast.is_complete, forecast.new_bytes) == (0.0, True, 0)

    def test_foreseeing_measures_whoever_does_not_tell_and_keeps_nothing(self, birds, store):
        rows, _ = fingerprints("birds", birds, SilentReporter())
        forecast = foresee(birds, rows, named_of(MeanColours(32)), store, SilentReporter())
        assert forecast.is_complete
        assert forecast.seconds > 0
        assert not store.folder.exists()
        assert len(birds.decoded) == 4

    def test_a_disk_that_is_too_small_is_refused_before_a_row_is_computed(
        self, birds, store, monkeypatch
    ):
        monkeypatch.setattr("stackkit.extraction.extract.free_bytes", lambda folder: 100)
        backbone = MeanColours(32)
        with pytest.raises(StoreError, match=r"take 0.0 MB and the disk has 0.0 MB left; free some"):
            extracted(birds, store, backbone)
        assert backbone.calls == 0
        assert not store.folder.exists()
