"""Features that are computed in memory are those that an extraction stores, bit for bit."""

import numpy as np
import pytest
from PIL import Image
from support.extracting import Counting, MeanColours

from stackkit.api.images import read_image
from stackkit.api.pixels import PixelOptions
from stackkit.api.reporter import SilentReporter
from stackkit.api.rgb import rgb_of
from stackkit.evaluation.inputs import usable_features
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.decoding import Decoder
from stackkit.extraction.extract import extract, fingerprints
from stackkit.prediction.image_list import ImageList
from stackkit.prediction.networks import Networks
from stackkit.store import FeatureStore
from stackkit_plugins.image_folder.dataset import ImageFolder


class Finder:
    """Finds another box in each image, by its brightness."""

    image_size, feature_dim, trained, revision = 16, 4, True, "1"

    def extract(self, images):
        start = (images.reshape(len(images), -1).mean(axis=1) / 512).astype(np.float32)
        return np.stack([start, start / 2, start * 0 + 0.4, start * 0 + 0.3], axis=1)


class Pooling:
    """One or several poolings of a network that counts how many images it sees."""

    image_size, trained = 24, True

    def __init__(self, seen: list, *poolings: str) -> None:
        self.seen, self.poolings, self.revision = seen, poolings, "+".join(poolings)
        self.feature_dim = 3 * len(poolings)

    pass_key = "network"

    def join(self, others):
        return Pooling(self.seen, *self.poolings, *(name for other in others for name in other.poolings))

    def extract(self, images):
        self.seen.append(len(images))
        pixels = images.reshape(len(images), -1, 3).astype(np.float32)
        found = [getattr(pixels, pooling)(axis=1) for pooling in self.poolings]
        return np.concatenate(found, axis=1)


def named(label: str, backbone: object, **settings) -> CheckedBackbone:
    return CheckedBackbone(
        label=label,
        qualified_name=f"test/{type(backbone).__name__.lower()}",
        backbone=backbone,
        provenance={"component": {"distribution": "test", "label": label}},
        **settings,
    )


def backbones(seen: list) -> list[CheckedBackbone]:
    finder = named("boxes", Finder(), resize="pad")
    return [
        named(
            "pad", MeanColours(32), views=("attention", "crops", "mirror"), boxes=finder, resize="pad"
        ),
        named("mean", Pooling(seen, "mean")),
        named("max", Pooling(seen, "max")),
        named("crop", MeanColours(32), resize="crop"),
    ]


def computed(images: ImageList, seen: list, size: int | None = None):
    networks = Networks(backbones(seen), SilentReporter())
    count = len(images.sources)
    parts = []
    with Decoder(images) as decoder:
        for start in range(0, count, size or count):
            numbers = range(start, min(start + (size or count), count))
            chunk = decoder.chunk(networks.first_look(numbers))
            rows, features, _ = networks.features(decoder, chunk, images.sources)
            assert rows == list(numbers)
            parts.append(features)
    return [
        [np.concatenate(view) for view in zip(*(each.matrices for each in one), strict=True)]
        for one in zip(*parts, strict=True)
    ]


@pytest.mark.parametrize("size", [None, 5])
def test_features_in_memory_are_those_of_the_store_for_every_view_and_pooling(
    bird_folder, tmp_path, size
):
    dataset = ImageFolder(bird_folder)
    store = FeatureStore(tmp_path / "features")
    rows, _ = fingerprints("birds", dataset, SilentReporter())
    extract(dataset, rows, backbones([]), store, SilentReporter())
    stored = usable_features(dataset, rows, backbones([]), store).features
    given = [dataset.image(i) for i in range(18)]
    images, seen = ImageList(sources=[""] * 18, read=given.__getitem__), []
    found = computed(images, seen, size)
    assert sum(seen) == 18, "the network of both poolings runs once"
    assert [len(one) for one in found] == [8, 1, 1, 1]
    for one, expected in zip(found, stored, strict=True):
        for matrix, same in zip(one, expected.matrices, strict=True):
            assert np.array_equal(matrix, same)


def test_an_image_in_memory_is_decoded_once_and_one_on_disk_once_per_look(bird_folder):
    counting = Counting(ImageFolder(bird_folder))
    computed(ImageList(sources=[""] * 18, read=counting.image), [])
    assert sorted(counting.decoded) == sorted([*range(18), *range(18)])


def test_a_file_that_vanishes_before_the_second_look_is_a_failure_and_moves_no_other_row(bird_folder):
    dataset, looks = ImageFolder(bird_folder), []

    def read(number):
        looks.append(number)
        if number == 1 and looks.count(1) == 2:
            raise OSError("gone")
        return dataset.image(number)

    images, networks = (
        ImageList(sources=list("abcd"), read=read),
        Networks(backbones([]), SilentReporter()),
    )
    with Decoder(images) as decoder:
        chunk = decoder.chunk(networks.first_look(range(4)))
        rows, features, last = networks.features(decoder, chunk, images.sources)
    assert rows == [0, 2, 3]
    assert [each.id for each in last.failed] == ["1"]
    alone = computed(ImageList(sources=["c"], read=lambda _: dataset.image(2)), [])
    for one, expected in zip(features, alone, strict=True):
        for matrix, same in zip(one.matrices, expected, strict=True):
            assert np.array_equal(matrix[1], same[0])


def test_a_network_is_prepared_once_on_eight_images_at_least_and_told_to_expect_many():
    class Preparing(MeanColours):
        prepared, expected, batch = [], [], 64

        def expect(self, images):
            self.expected.append(images)

        def prepare(self, probe, tell):
            from stackkit.api.backbone import Readiness

            self.prepared.append(probe)
            return Readiness(settings={}, batch_size=self.batch)

    noise = np.random.default_rng(0).integers(0, 255, (3, 40, 30, 3), dtype=np.uint8)
    images = ImageList(sources=[""] * 3, read=lambda i: Image.fromarray(noise[i]))
    networks = Networks([named("one", Preparing(32))], SilentReporter())
    with Decoder(images) as decoder:
        for _ in range(2):
            networks.features(decoder, decoder.chunk(networks.first_look(range(3))), images.sources)
    (probe,) = Preparing.prepared
    assert len({each.tobytes() for each in probe}) == len(probe) == 9
    assert (Preparing.expected, networks.chunk_size) == ([32], 64)
    # Whatever a model asks for, the images that are decoded together take little memory.
    Preparing.batch = 10**9
    for side, most in ((32, 87_381), (1024, 85)):
        networks = Networks([named("one", Preparing(side))], SilentReporter())
        with Decoder(images) as decoder:
            networks.prepare(decoder.chunk(networks.first_look(range(1))))
        assert networks.chunk_size == most


@pytest.mark.parametrize("orientation", ["exif", "ignore"])
def test_an_image_in_memory_has_the_pixels_and_remarks_of_its_file(tmp_path, orientation):
    options = PixelOptions(orientation=orientation, background="white")
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=turned)
    image.save(tmp_path / "turned.png", exif=turned)
    image.save(tmp_path / "turned.tif", exif=turned)
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    image.convert("L").save(tmp_path / "grey.png")
    image.convert("P").save(tmp_path / "palette.gif")
    image.convert("1").save(tmp_path / "bits.png")
    image.convert("LA").save(tmp_path / "alpha.png")
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    clear.save(tmp_path / "clear.png")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 20).save(tmp_path / "deep.png")
    for path in sorted(tmp_path.iterdir()):
        expected = read_image(path, options)
        with Image.open(path) as opened:
            found = rgb_of(opened, options)
        assert found.size == expected.size, path.name
        assert np.array_equal(np.asarray(found), np.asarray(expected)), path.name
        assert found.info["stackkit remarks"] == expected.info["stackkit remarks"], path.name
        assert rgb_of(found, options) is found, "what has been read is not turned twice"
