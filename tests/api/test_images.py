"""Reading image files of every kind as RGB, or refusing them with one clear reason."""

import contextlib
import hashlib
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stackkit.api.errors import ImageError
from stackkit.api.images import bytes_fingerprint, decode_image, file_fingerprint, read_image, squash

ON_ONE_FILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pixels(path: Path) -> np.ndarray:
    """(height, width, 3) array of a file, by `read_image` and by `decode_image`."""
    image = read_image(path)
    assert image.mode == "RGB"
    assert decode_image(path.read_bytes(), path.name) == image
    return np.asarray(image)


def saved(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.fixture
def photograph(cub_root) -> Path:
    return min((cub_root / "images").rglob("*.jpg"), key=lambda path: (path.stat().st_size, path))


class TestBrokenFiles:
    def test_a_missing_file_is_reported_as_missing(self, tmp_path):
        with pytest.raises(ImageError, match=r"^the file is missing$"):
            read_image(tmp_path / "gone.jpg")
        with pytest.raises(ImageError, match="URLs are not read here, download the image first"):
            read_image(Path("s3://bucket/gone.jpg"))

    def test_an_empty_file_is_reported_as_empty(self, tmp_path):
        (tmp_path / "empty.jpg").touch()
        with pytest.raises(ImageError, match=r"^the file is empty$"):
            read_image(tmp_path / "empty.jpg")

    def test_text_named_jpg_is_not_an_image_and_named_without_its_folder(self, tmp_path):
        (tmp_path / "page.jpg").write_text("<html>404 Not Found</html>")
        with pytest.raises(ImageError, match=r"^cannot identify image file 'page.jpg'$"):
            read_image(tmp_path / "page.jpg")

    def test_a_folder_is_not_an_image(self, tmp_path):
        with pytest.raises(ImageError, match="directory"):
            read_image(tmp_path)

    @pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
    def test_a_truncated_photograph_is_refused(self, photograph, tmp_path, part):
        content = photograph.read_bytes()
        (tmp_path / "cut.jpg").write_bytes(content[: int(len(content) * part)])
        with pytest.raises(ImageError, match="truncated"):
            read_image(tmp_path / "cut.jpg")

    def test_a_corrupt_png_is_refused(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = saved(Image.fromarray(noise), tmp_path / "noise.png")
        content = bytearray(path.read_bytes())
        content[600:700] = bytes(100)
        path.write_bytes(content)
        with pytest.raises(ImageError):
            read_image(path)

    @ON_ONE_FILE
    @given(st.binary(max_size=400))
    def test_random_bytes_raise_nothing_but_image_errors(self, tmp_path, content):
        _read_or_image_error(tmp_path / "any.jpg", content)

    @pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow comments on damaged TIFF tags
    @ON_ONE_FILE
    @given(
        st.sampled_from(["png", "gif", "webp", "tiff", "bmp", "jpeg", "ppm", "ico", "tga"]),
        st.data(),
    )
    def test_a_damaged_file_raises_nothing_but_image_errors(self, tmp_path, kind, data):
        path = saved(Image.linear_gradient("L").resize((16, 16)).convert("RGB"), tmp_path / f"a.{kind}")
        content = bytearray(path.read_bytes())
        places = st.integers(0, len(content) - 1)
        for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
            content[place] = value
        _read_or_image_error(path, bytes(content[: data.draw(places) + 1]))

    def test_every_reason_is_one_line(self, tmp_path):
        (tmp_path / "two\nlines.jpg").write_text("no image")
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / "two\nlines.jpg")
        assert "\n" not in str(caught.value)


def _read_or_image_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(ImageError):
        assert read_image(path).mode == "RGB"
    assert _outcome(lambda: read_image(path)) == _outcome(lambda: decode_image(content, path.name))


def _outcome(read: Callable[[], Image.Image]) -> bytes | str:
    try:
        return read().tobytes()
    except ImageError as error:
        return str(error)


class TestBytes:
    def test_no_bytes_are_reported_as_an_empty_file(self):
        with pytest.raises(ImageError, match=r"^the file is empty$"):
            decode_image(b"", "a.jpg")

    def test_bytes_that_are_not_an_image_have_the_name_of_the_caller(self):
        with pytest.raises(ImageError, match=r"^cannot identify image file 'shard-3.tar/a.jpg'$"):
            decode_image(b"<html>404 Not Found</html>", "shard-3.tar/a.jpg")

    def test_a_truncated_photograph_is_refused(self, photograph):
        with pytest.raises(ImageError, match="truncated"):
            decode_image(photograph.read_bytes()[:-500], "cut.jpg")

    def test_a_decoder_that_panics_costs_one_image(self, monkeypatch):
        class PanicException(BaseException):
            """As extensions in Rust raise it."""

        def panic(*arguments):
            raise PanicException("index out of bounds")

        Image.init()  # what it registers must stay
        monkeypatch.setitem(Image.OPEN, "PANIC", (panic, lambda start: start.startswith(b"PANIC")))
        monkeypatch.setattr(Image, "ID", [*Image.ID, "PANIC"])
        with pytest.raises(ImageError, match="index out of bounds"):
            decode_image(b"PANIC" + bytes(40), "a")

    def test_threads_share_the_same_bytes(self, photograph):
        content = photograph.read_bytes()
        with ThreadPoolExecutor(8) as pool:
            images = list(pool.map(lambda _: decode_image(content, "a.jpg"), range(32)))
        assert all(image == images[0] for image in images)


class TestDecompressionBombs:
    @pytest.mark.parametrize("side", [20_000, 2**31 - 1])
    def test_a_header_that_claims_an_enormous_size_is_refused_at_once(self, tmp_path, side):
        path = tmp_path / "bomb.png"
        path.write_bytes(_png(side, side))
        start = time.process_time()
        with pytest.raises(ImageError, match="exceeds limit"):
            read_image(path)
        assert time.process_time() - start < 1

    def test_a_large_but_allowed_image_gives_no_warning_and_changes_no_filter(self, tmp_path):
        path = saved(Image.new("1", (10_000, 9_000)), tmp_path / "large.png")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            before = list(warnings.filters)
            assert read_image(path).size == (10_000, 9_000)
            assert list(warnings.filters) == before

    def test_threads_leave_the_warning_filters_as_they_were(self, photograph):
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(read_image, [photograph] * 64))
        assert list(warnings.filters) == before


def _png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


class TestKindsOfPixels:
    def test_a_photograph_is_what_pillow_decodes(self, photograph):
        with Image.open(photograph) as image:
            assert (pixels(photograph) == np.asarray(image.convert("RGB"))).all()

    def test_a_single_pixel_is_an_image(self, tmp_path):
        path = saved(Image.new("RGB", (1, 1), (9, 8, 7)), tmp_path / "dot.png")
        assert pixels(path).tolist() == [[[9, 8, 7]]]

    def test_cmyk_becomes_rgb(self, tmp_path):
        path = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "red.jpg", quality=100)
        assert np.abs(pixels(path).astype(int) - (255, 0, 0)).max() <= 2

    @pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
    def test_16_bit_grey_is_scaled_and_not_clipped(self, tmp_path, kind):
        wide = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
        grey = pixels(saved(Image.fromarray(wide), tmp_path / f"wide.{kind}"))
        assert grey[..., 0].ravel().tolist() == list(range(256))
        assert (grey == grey[..., :1]).all()

    @given(st.integers(0, 65535))
    @settings(ON_ONE_FILE, max_examples=30)
    def test_16_bit_grey_is_rounded_to_the_nearest_of_8_bits(self, tmp_path, value):
        path = saved(Image.fromarray(np.array([[value]], np.uint16)), tmp_path / "one.png")
        assert pixels(path)[0, 0, 0] == round(value / 257)

    @pytest.mark.parametrize("value", [-1, 65536])
    def test_32_bit_pixels_out_of_the_16_bit_range_are_refused(self, tmp_path, value):
        path = saved(Image.fromarray(np.array([[value]], np.int32)), tmp_path / "wide.tif")
        with pytest.raises(ImageError, match="32-bit pixels have no defined range"):
            read_image(path)

    def test_floating_point_pixels_are_refused(self, tmp_path):
        path = saved(Image.fromarray(np.ones((2, 2), np.float32)), tmp_path / "float.tif")
        with pytest.raises(ImageError, match="floating-point pixels have no defined range"):
            read_image(path)

    def test_a_palette_gives_its_colours(self, tmp_path):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        assert pixels(saved(image, tmp_path / "p.png")).tolist() == [[[10, 20, 30], [40, 50, 60]]]

    @pytest.mark.parametrize("transparency", [0, b"\x80\xff"])
    def test_transparency_of_a_palette_is_dropped_without_a_warning(self, tmp_path, transparency):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        path = saved(image, tmp_path / "p.png", transparency=transparency)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pixels(path).tolist() == [[[10, 20, 30], [40, 50, 60]]]

    @pytest.mark.parametrize(
        ("mode", "colour", "expected"),
        [
            ("RGBA", (10, 20, 30, 0), [10, 20, 30]),
            ("LA", (77, 0), [77, 77, 77]),
            ("L", 77, [77, 77, 77]),
            ("1", 1, [255, 255, 255]),
        ],
    )
    def test_alpha_is_dropped_and_grey_repeated(self, tmp_path, mode, colour, expected):
        path = saved(Image.new(mode, (3, 2), colour), tmp_path / "a.png")
        assert (pixels(path) == expected).all()
        assert pixels(path).shape == (2, 3, 3)

    @pytest.mark.parametrize("kind", ["gif", "webp"])
    def test_the_first_frame_of_an_animation_is_read(self, tmp_path, kind):
        frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
        path = tmp_path / f"moving.{kind}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        assert (pixels(path) == (255, 0, 0)).all()

    def test_exif_orientation_is_not_applied(self, tmp_path):
        image = Image.new("RGB", (4, 2))
        image.putpixel((0, 0), (255, 255, 255))
        exif = Image.Exif()
        exif[0x0112] = 6
        path = saved(image, tmp_path / "turned.png", exif=exif)
        with Image.open(path) as reopened:
            assert reopened.getexif()[0x0112] == 6
        assert pixels(path).shape == (2, 4, 3)
        assert pixels(path)[0, 0].tolist() == [255, 255, 255]

    def test_the_file_is_closed_and_the_image_outlives_it(self, photograph, tmp_path):
        copy = tmp_path / "copy.jpg"
        copy.write_bytes(photograph.read_bytes())
        image = read_image(copy)
        copy.unlink()
        assert image.getpixel((0, 0))


class TestFingerprints:
    @given(st.binary(max_size=200), st.binary(max_size=200))
    def test_fingerprints_are_equal_exactly_if_the_bytes_are(self, one, other):
        assert (bytes_fingerprint(one) == bytes_fingerprint(other)) == (one == other)

    def test_a_file_has_the_fingerprint_of_its_bytes(self, photograph):
        assert file_fingerprint(photograph) == bytes_fingerprint(photograph.read_bytes())

    def test_it_is_blake2b_of_128_bits(self):
        assert bytes_fingerprint(b"abc") == hashlib.blake2b(b"abc", digest_size=16).hexdigest()

    def test_one_changed_byte_changes_it(self, photograph, tmp_path):
        content = bytearray(photograph.read_bytes())
        content[-3] ^= 1
        (tmp_path / "other.jpg").write_bytes(content)
        assert file_fingerprint(tmp_path / "other.jpg") != file_fingerprint(photograph)

    def test_a_missing_file_raises_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            file_fingerprint(tmp_path / "gone.jpg")


class TestSquash:
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
    @settings(max_examples=40, deadline=None)
    def test_any_shape_becomes_the_square(self, width, height, side):
        out = squash(Image.new("RGB", (width, height), (5, 6, 7)), side)
        assert out.shape == (side, side, 3)
        assert out.dtype == np.uint8
        assert (out == (5, 6, 7)).all()

    def test_the_whole_image_is_squashed_bilinearly(self, photograph):
        image = read_image(photograph)
        expected = image.resize((32, 32), Image.Resampling.BILINEAR)
        assert (squash(image, 32) == np.asarray(expected)).all()

    def test_an_image_of_the_requested_size_keeps_its_pixels(self):
        image = Image.radial_gradient("L").convert("RGB")
        assert (squash(image, 256) == np.asarray(image)).all()
