"""A network sees several views of each image, and the features of each are in a file of their own."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps
from support.extracting import MeanColours

from stackkit.api.images import squash
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.inputs import usable_features
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.boxes import Boxes
from stackkit.extraction.extract import estimate_extraction, extract, fingerprints
from stackkit.extraction.feature_set import FeatureSet, feature_sets, views_of
from stackkit.extraction.geometry import Geometry, pixels, region
from stackkit.extraction.stored import already_extracted

RED = (250, 0, 0)


class Finder:
    """Finds the same box in every image."""

    image_size, feature_dim, trained, revision = 16, 4, True, "1"

    def __init__(self, *box: float) -> None:
        self.box, self.calls = box or (0.25, 0.5, 0.5, 0.25), 0

    def extract(self, images):
        self.calls += 1
        return np.tile(np.array(self.box, np.float32), (len(images), 1))


def named(label: str, backbone: object, **settings) -> CheckedBackbone:
    return CheckedBackbone(
        label=label,
        qualified_name=f"test/{label}",
        backbone=backbone,
        provenance={"component": {"distribution": "test", "label": label}},
        **settings,
    )


def colours(*views: str, finder: object = None, size: int = 32, resize: str = "squash"):
    boxes = named("boxes", finder) if finder else None
    return named("colours", MeanColours(size), views=views, boxes=boxes, resize=resize)


def run(dataset, store, *backbones):
    rows, _ = fingerprints("birds", dataset, SilentReporter())
    return rows, extract(dataset, rows, backbones, store, SilentReporter())


def matrix(store, one: FeatureSet, rows) -> np.ndarray:
    with store.open(one.key, rows, {}, create=False) as file:
        assert file.intact().all()
        return file.read()


def test_each_view_has_the_features_of_what_the_network_sees_and_images_are_decoded_once_per_pass(
    birds, store
):
    backbone = colours("attention", "crops", "mirror", finder=Finder())
    rows, summary = run(birds, store, backbone)
    assert sorted(birds.decoded) == sorted([*range(18), *range(18)]), "once for whole images and boxes"
    assert summary.computed == dict.fromkeys(
        [
            "colours",
            "colours (mirror)",
            *(f"colours (crop-{place})" for place in ("top-left", "top-right", "bottom-left")),
            *(f"colours (crop-{place})" for place in ("bottom-right", "centre")),
            "boxes",
            "colours (attention)",
        ],
        18,
    )
    whole, mirror, top_left, *_, centre, attention = views_of(backbone)
    images = [birds.dataset.image(i) for i in range(18)]
    network = MeanColours(32)

    def seen(make) -> np.ndarray:
        return network.extract(np.stack([squash(make(image), 32) for image in images]))

    def part(left, top, right, bottom):
        return lambda image: image.resize(
            (32, 32),
            Image.Resampling.BILINEAR,
            (left * image.width, top * image.height, right * image.width, bottom * image.height),
        )

    assert np.array_equal(matrix(store, whole, rows), seen(lambda image: image))
    assert np.allclose(matrix(store, mirror, rows), seen(ImageOps.mirror), atol=0.5)
    assert np.allclose(matrix(store, top_left, rows), seen(part(0, 0, 0.8, 0.8)))
    assert np.allclose(matrix(store, centre, rows), seen(part(0.1, 0.1, 0.9, 0.9)))
    assert np.allclose(matrix(store, attention, rows), seen(part(0.25, 0.5, 0.75, 0.75)))
    (features,) = usable_features(birds.dataset, rows, [backbone], store).features
    assert [len(one) for one in features.matrices] == [18] * 8
    assert np.array_equal(features.matrices[7], matrix(store, attention, rows))


def test_whole_images_have_the_key_and_the_file_of_earlier_versions(birds, store, tmp_path):
    plain, mirrored = colours(), colours("mirror")
    rows, _ = run(birds, store, plain)
    assert plain.key.folder == "test-colours-135c44bdad66"
    path = store.path(plain.key, rows)
    before = path.read_bytes()
    network = mirrored.backbone
    _, summary = run(birds, store, plain, mirrored)
    assert summary.reused == {"colours": 18, "colours (mirror)": 0}
    assert path.read_bytes() == before
    assert network.calls == 0, "backbones that differ by views only share their network"
    keys = {replace(plain.key, view="mirror").folder, replace(plain.key, resize="pad").folder}
    assert len(keys | {plain.key.folder}) == 3


def test_an_extraction_killed_between_the_passes_resumes_with_the_second(birds, store):
    class Dying(MeanColours):
        def extract(self, images):
            if self.calls == 8:  # all whole images are stored, 5 chunks of 18, and some attention crops
                os.kill(os.getpid(), signal.SIGKILL)
            return super().extract(images)

    child = os.fork()
    if not child:
        try:
            run(
                birds,
                store,
                named("colours", Dying(32), views=("attention",), boxes=named("b", Finder())),
            )
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    finder = Finder()
    backbone = named("colours", MeanColours(32), views=("attention",), boxes=named("b", finder))
    _, summary = run(birds, store, backbone)
    assert (summary.computed["colours"], summary.computed["b"], finder.calls) == (0, 0, 0)
    assert 0 < summary.computed["colours (attention)"] < 18


def test_boxes_are_computed_only_for_views_that_need_them(birds, store):
    backbone = colours("attention", finder=Finder())
    rows, _ = run(birds, store, backbone)
    boxes = feature_sets([backbone])[1]
    assert boxes.label == "boxes"
    store.path(boxes.key, rows).unlink()
    _, summary = run(birds, store, backbone)
    assert summary.computed == {"colours": 0, "colours (attention)": 0}
    assert already_extracted(birds, rows, [backbone], store).reused == dict.fromkeys(
        ["colours", "colours (attention)"], 18
    )


def test_other_boxes_give_other_features_and_are_named_as_their_origin(birds, store):
    one = colours("attention", finder=Finder())
    other = named(
        "colours", MeanColours(32), views=("attention",), boxes=named("else", Finder(0, 0, 1, 1))
    )
    assert feature_sets([one])[2].key != feature_sets([other])[2].key
    rows, _ = run(birds, store, other)
    attention = views_of(other)[1]
    assert attention.provenance["boxes"] == {"distribution": "test", "label": "else"}
    assert np.allclose(matrix(store, attention, rows), matrix(store, views_of(other)[0], rows))


def test_a_broken_image_is_reported_once_and_costs_only_its_own_rows(birds, store):
    path = birds.dataset.root / birds.samples[5].id
    path.write_bytes(path.read_bytes()[:300])
    backbone = colours("attention", "mirror", finder=Finder())
    rows, summary = run(birds, store, backbone)
    assert [one.id for one in summary.failed] == [birds.samples[5].id]
    assert set(summary.computed.values()) == {17}
    assert usable_features(birds.dataset, rows, [backbone], store).rows.tolist() == [
        i for i in range(18) if i != 5
    ]


def test_progress_ends_although_an_image_without_a_box_has_no_attention_crop(birds, store):
    class Counted(SilentReporter):
        def __init__(self) -> None:
            self.total, self.done = {}, {}

        def start(self, task, total, done=0):
            self.total[task], self.done[task] = total, done

        def advance(self, task, count):
            self.done[task] += count

    path = birds.dataset.root / birds.samples[5].id
    path.write_bytes(path.read_bytes()[:300])
    rows, _ = fingerprints("birds", birds, SilentReporter())
    reporter = Counted()
    extract(birds, rows, [colours("attention", finder=Finder())], store, reporter)
    assert len(reporter.total) == 4
    assert reporter.done == reporter.total


def test_the_estimate_counts_every_view(birds, store):
    rows, _ = fingerprints("birds", birds, SilentReporter())
    backbone = colours("attention", "mirror", finder=Finder())
    estimate = estimate_extraction(birds, rows, [backbone], store, SilentReporter())
    assert [(one.label, one.images) for one in estimate.backbones] == [
        ("colours", 18),
        ("colours (mirror)", 18),
        ("boxes", 18),
        ("colours (attention)", 18),
    ]
    assert estimate.new_bytes == 18 * 4 * (3 * 12 + 4)


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.7, 0.7), (0.5, 0.5, 0, 0.1), (-0.5, 0, 1, 1)])
def test_a_box_that_is_no_part_of_the_image_is_refused(birds, store, box):
    with pytest.raises(Exception, match="returned boxes that are no part of the image"):
        run(birds, store, colours("attention", finder=Finder(*box)))


def test_an_image_becomes_a_square_by_squashing_cropping_or_padding():
    image = Image.new("RGB", (40, 20), RED)
    image.paste((0, 0, 250), (10, 0, 30, 20))
    squashed, cropped, padded = (
        pixels(image, Geometry(size=20, resize=resize), None) for resize in ("squash", "crop", "pad")
    )
    assert np.array_equal(squashed, squash(image, 20))
    assert (cropped == (0, 0, 250)).all(), "the central square"
    assert (padded[[*range(5), *range(15, 20)]] == 127).all()
    assert padded[10, [0, 10]].tolist() == [list(RED), [0, 0, 250]]
    assert pixels(Image.new("RGB", (1, 90)), Geometry(size=8, resize="pad"), None).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("resize", "seen"),
    [("squash", (10, 5, 30, 15)), ("crop", (15, 5, 25, 15)), ("pad", (10, 0, 30, 20))],
)
def test_a_box_on_the_square_is_converted_to_a_box_on_the_image(resize, seen):
    boxes = Boxes(resize=resize, places=np.array([[0.25, 0.25, 0.5, 0.5]], np.float32))
    geometry = Geometry(size=8, view="attention", boxes="b")
    found = region((40, 20), geometry, boxes.on_image(0, (40, 20)))
    assert found == pytest.approx(seen)


def test_a_tiny_box_at_the_edge_has_at_least_one_pixel():
    geometry = Geometry(size=8, view="attention", boxes="b")
    left, top, right, bottom = region((5, 5), geometry, (0.999, 0.999, 0.001, 0.001))
    assert (left, top, right, bottom) == (4, 4, 5, 5)
