"""Images become chunks of pixels in order, ahead of use, and only so many at a time."""

import time

import numpy as np
import pytest
from PIL import Image

from stackkit.api.dataset import Sample
from stackkit.api.errors import ImageError, PluginError
from stackkit.extraction.decoding import AHEAD, Decoder, Request, unreadable
from stackkit.extraction.geometry import Geometry


class Greys:
    """Image i is grey of brightness i; `faults` maps numbers of images to what they raise."""

    def __init__(self, count: int, **faults: Exception) -> None:
        self.samples = [Sample(id=f"grey {i}", label=0) for i in range(count)]
        self.faults = {int(name[1:]): fault for name, fault in faults.items()}
        self.decoded = []

    def image(self, i):
        self.decoded.append(i)
        time.sleep(0.002 * (i % 3 == 0))  # so that threads finish in another order
        if i in self.faults:
            raise self.faults[i]
        return Image.new("RGB", (7, 5), (i, i, i))


def requests(count: int, *sizes: int) -> list[Request]:
    return [
        Request(numbers=range(k, k + 4), geometries=[Geometry(size=size) for size in sizes])
        for k in range(0, count, 4)
    ]


def test_chunks_are_in_order_and_have_every_image_in_every_size():
    with Decoder(Greys(40)) as decoder:
        chunks = list(decoder.chunks(requests(40, 2, 3)))
    assert [row for chunk in chunks for row in chunk.rows] == list(range(40))
    for size in (2, 3):
        pixels = np.concatenate([chunk.pixels[Geometry(size=size)] for chunk in chunks])
        assert pixels.shape == (40, size, size, 3)
        assert (pixels == np.arange(40)[:, None, None, None]).all()


def test_only_a_few_chunks_are_decoded_ahead():
    dataset = Greys(80)
    with Decoder(dataset) as decoder:
        for taken, _ in enumerate(decoder.chunks(requests(80, 2)), start=1):
            time.sleep(0.01)
            assert len(dataset.decoded) <= 4 * (taken + AHEAD)


def test_leaving_early_decodes_no_more():
    dataset = Greys(80)
    with Decoder(dataset) as decoder:
        next(decoder.chunks(requests(80, 2)))
    assert len(dataset.decoded) <= 4 * (1 + AHEAD)


def test_a_failed_image_has_no_row_and_a_reason():
    dataset = Greys(4, _1=ImageError("cut short"), _2=OSError(5, "Input/output error"))
    with Decoder(dataset) as decoder:
        chunk = decoder.chunk(Request(numbers=range(4), geometries=[Geometry(size=2)]))
    assert chunk.rows == [0, 3]
    assert chunk.pixels[Geometry(size=2)][:, 0, 0, 0].tolist() == [0, 3]
    assert [(one.id, one.reason) for one in chunk.failed] == [
        ("grey 1", "cut short"),
        ("grey 2", "Input/output error"),
    ]


def test_strict_raises_the_first_failure_after_the_chunks_before_it():
    dataset = Greys(40, _9=ImageError("cut short"), _10=ImageError("later"))
    with Decoder(dataset, strict=True) as decoder:
        chunks = decoder.chunks(requests(40, 2))
        assert [next(chunks).rows[0], next(chunks).rows[0]] == [0, 4]
        with pytest.raises(ImageError, match=r"grey 9: cut short \(--strict stops here\)"):
            next(chunks)


def test_an_error_of_the_plugin_is_not_a_failed_image():
    with Decoder(Greys(4, _1=PluginError("mode L"))) as decoder, pytest.raises(PluginError):
        decoder.chunk(Request(numbers=range(4), geometries=[Geometry(size=2)]))


def test_pixels_cannot_be_written():
    with Decoder(Greys(4)) as decoder:
        chunk = decoder.chunk(Request(numbers=range(4), geometries=[Geometry(size=2)]))
    with pytest.raises(ValueError, match="read-only"):
        chunk.pixels[Geometry(size=2)][:] = 0


def test_unreadable_images_are_found_without_making_pixels():
    assert [one.id for one in unreadable(Greys(9, _7=ImageError("cut short")), range(9))] == ["grey 7"]
