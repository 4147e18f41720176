"""Orientation, backgrounds and 16-bit ranges: what pixels mean, and which fingerprints they change."""

import io
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from stackkit.api import PixelOptions, UsageError, decode_image, file_fingerprint, read_image
from stackkit.api.errors import ImageError
from stackkit.api.images import bytes_fingerprint
from stackkit.api.pixels import from_16bit_grey, remarks

EXIF = PixelOptions(orientation="exif")
ALL = PixelOptions(orientation="exif", background="white", scale_16bit=4095)


def kinds(image: Image.Image) -> list[str]:
    return [remark.kind for remark in remarks(image)]


def scene() -> Image.Image:
    """3 x 2 pixels, all different."""
    return Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 12)


def saved(folder: Path, name: str, image: Image.Image, **options) -> Path:
    image.save(folder / name, **options)
    return folder / name


def oriented(folder: Path, name: str, orientation: int) -> Path:
    """The scene, stored so that a viewer that obeys EXIF shows it upright."""
    how = Image.Transpose
    stored = {
        1: None, 2: how.FLIP_LEFT_RIGHT, 3: how.ROTATE_180, 4: how.FLIP_TOP_BOTTOM,
        5: how.TRANSPOSE, 6: how.ROTATE_90, 7: how.TRANSVERSE, 8: how.ROTATE_270,
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = scene() if stored is None else scene().transpose(stored)
    return saved(folder, name, image, exif=exif)


class TestOrientation:
    @pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
    def test_every_orientation_is_turned_upright(self, tmp_path, name):
        options = {"lossless": True} if name.endswith("webp") else {}
        for orientation in range(1, 9):
            path = oriented(tmp_path, name, orientation)
            if options:  # saved without loss, so that pixels can be compared
                with Image.open(oriented(tmp_path, "b.png", orientation)) as image:
                    image.save(path, exif=image.getexif(), **options)
            image = read_image(path, EXIF)
            assert np.array_equal(np.asarray(image), np.asarray(scene())), orientation
            is_turned = orientation != 1 and name != "a.tif"
            assert kinds(image) == ["turned"] * is_turned
            assert file_fingerprint(path, EXIF) == file_fingerprint(path) + "-exif" * is_turned
            assert kinds(read_image(path)) == ["not-turned"] * is_turned

    def test_a_photograph_with_a_meaningless_or_damaged_orientation_is_upright(self, tmp_path):
        for value in (0, 9, 65535):
            exif = Image.Exif()
            exif[0x0112] = value
            path = saved(tmp_path, "a.jpg", scene(), exif=exif)
            assert read_image(path, EXIF) == read_image(path)
        path = saved(tmp_path, "b.jpg", scene(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff\x01")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_image(path, EXIF).size == (3, 2)
            assert file_fingerprint(path, EXIF) == file_fingerprint(path)

    def test_the_orientation_after_the_pixels_of_a_png_is_found(self, tmp_path):
        content = oriented(tmp_path, "a.png", 6).read_bytes()
        start = content.index(b"eXIf") - 4
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        late = content[:start] + content[end:-12] + content[start:end] + content[-12:]
        assert np.array_equal(np.asarray(decode_image(late, "late.png", EXIF)), np.asarray(scene()))
        assert bytes_fingerprint(late, EXIF) == bytes_fingerprint(late) + "-exif"


class TestBackground:
    def half(self) -> Image.Image:
        """One pixel of hidden red, one of red at half strength, one opaque."""
        image = Image.new("RGBA", (3, 1), (255, 0, 0, 0))
        image.putpixel((1, 0), (255, 0, 0, 128))
        image.putpixel((2, 0), (255, 0, 0, 255))
        return image

    def test_a_transparent_image_is_laid_on_the_background(self, tmp_path):
        path = saved(tmp_path, "a.png", self.half())
        for colour, hidden in (("white", (255, 255, 255)), ("#0000ff", (0, 0, 255))):
            image = read_image(path, PixelOptions(background=colour))
            assert image.getpixel((0, 0)) == hidden
            assert image.getpixel((2, 0)) == (255, 0, 0)
            assert kinds(image) == ["on-background"]
        assert set(np.asarray(read_image(path)).reshape(-1, 3)[:, 0]) == {255}
        assert kinds(read_image(path)) == ["alpha-dropped"]

    def test_transparent_colours_of_palettes_and_keys_are_laid_on_it_too(self, tmp_path):
        palette = Image.new("P", (2, 1))
        palette.putpalette([10, 20, 30, 40, 50, 60])
        palette.putpixel((1, 0), 1)
        for image in (palette, palette.convert("RGB")):
            key = 0 if image.mode == "P" else (10, 20, 30)
            path = saved(tmp_path, "a.png", image, transparency=key)
            found = read_image(path, PixelOptions(background="white"))
            assert np.asarray(found).tolist() == [[[255, 255, 255], [40, 50, 60]]]

    def test_an_opaque_alpha_channel_is_not_mentioned(self, tmp_path):
        path = saved(tmp_path, "a.png", scene().convert("RGBA"))
        for options in (PixelOptions(), PixelOptions(background="black")):
            assert kinds(read_image(path, options)) == []
            assert np.array_equal(np.asarray(read_image(path, options)), np.asarray(scene()))

    @pytest.mark.parametrize("text", ["whitish", "#12", ""])
    def test_what_is_no_colour_is_refused(self, text):
        with pytest.raises(UsageError, match="name of a colour or #rrggbb"):
            PixelOptions(background=text)


class Test16Bits:
    def test_a_12_bit_image_is_mentioned_and_can_be_scaled(self, tmp_path):
        path = saved(tmp_path, "a.tif", Image.fromarray(np.array([[95, 2095, 4095]], np.uint16)))
        assert kinds(read_image(path)) == ["16-bit-dark"]
        for white, expected in ((4095, [6, 130, 255]), (2095, [12, 255, 255]), ("image", [0, 128, 255])):
            image = read_image(path, PixelOptions(scale_16bit=white))
            assert np.asarray(image)[0, :, 0].tolist() == expected
            assert kinds(image) == ["16-bit-scaled"]

    def test_an_image_of_one_value_keeps_its_brightness(self, tmp_path):
        path = saved(tmp_path, "a.png", Image.fromarray(np.full((2, 2), 25700, np.uint16)))
        image = read_image(path, PixelOptions(scale_16bit="image"))
        assert np.unique(np.asarray(image)).tolist() == [100]

    def test_without_scaling_every_value_is_what_it_was(self):
        every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        image, is_dark = from_16bit_grey(Image.fromarray(every), PixelOptions())
        assert np.array_equal(np.asarray(image)[..., 0], (every.astype(int) + 128) // 257)
        assert not is_dark

    def test_dark_colours_of_16_bits_are_mentioned(self, tmp_path):
        for value, expected in ((4095, ["16-bit-colour-dark"]), (65535, [])):
            rows = b"".join(b"\0" + struct.pack(">6H", 0, 0, 0, value, value, value) for _ in range(2))
            content = _png(2, 2, 16, 2, rows)
            assert kinds(decode_image(content, "a.png")) == expected


class TestFingerprints:
    def test_options_change_the_fingerprints_of_affected_images_only(self, tmp_path, cub_root):
        birds = sorted((cub_root / "images").rglob("*.jpg"))[::40]
        plain = [
            saved(tmp_path, name, scene()) for name in ("a.png", "a.tif", "a.webp", "a.gif", "a.bmp")
        ]
        for path in (*birds, *plain):
            assert file_fingerprint(path, ALL) == file_fingerprint(path)
            assert bytes_fingerprint(path.read_bytes(), ALL) == file_fingerprint(path)
        wide = Image.fromarray(np.zeros((2, 2), np.uint16))
        changed = {
            "-on-ffffff": saved(tmp_path, "b.png", scene().convert("RGBA")),
            "-16bit-4095": saved(tmp_path, "c.png", wide),
            "-exif": oriented(tmp_path, "d.png", 3),
        }
        for suffix, path in changed.items():
            assert file_fingerprint(path, ALL) == file_fingerprint(path) + suffix

    def test_a_fingerprint_is_short_enough_for_the_store_whatever_changes(self, tmp_path):
        (tmp_path / "no image.jpg").write_bytes(b"nothing")
        assert len(file_fingerprint(tmp_path / "no image.jpg", ALL)) == 32
        assert len("0" * 32 + "-exif" + "-on-ffffff" + "-16bit-image") <= 64


class TestFormats:
    @pytest.mark.parametrize(
        ("start", "named"),
        [
            (b"\0\0\0\x18ftypheic", "HEIC image; install the package pillow-heif"),
            (b"\xff\x0a", "JPEG XL image; install the package pillow-jxl-plugin"),
            (b"\0\0\0\x18ftypcrx ", "raw image; convert it"),
        ],
    )
    def test_a_format_that_pillow_does_not_read_is_named_by_content(self, tmp_path, start, named):
        path = tmp_path / "photo.jpg"  # phones and chats rename HEIC files like this
        path.write_bytes(start + bytes(100))
        with pytest.raises(ImageError, match=named):
            read_image(path)

    @pytest.mark.parametrize(("name", "feature"), [("a.avif", "avif"), ("a.jp2", "jpg_2000")])
    def test_avif_and_jpeg_2000_are_read_if_pillow_can(self, tmp_path, name, feature):
        if not features.check(feature):
            pytest.skip(f"this Pillow was built without {feature}")
        path = saved(tmp_path, name, Image.new("RGB", (32, 32), (200, 100, 50)))
        assert np.abs(np.asarray(read_image(path)).astype(int) - (200, 100, 50)).max() < 8


class TestMuchText:
    @pytest.mark.parametrize("is_late", [False, True])
    @pytest.mark.parametrize(
        "chunk",
        [
            (b"iCCP", b"profile\0\0" + zlib.compress(bytes(3_000_000))),
            (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000))),
            (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
        ],
    )
    def test_a_png_with_a_large_profile_or_text_is_read(self, chunk, is_late):
        rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(scene()))
        place = {"late": [chunk]} if is_late else {"early": [chunk]}
        content = _png(3, 2, 8, 2, rows, **place)
        assert np.array_equal(np.asarray(decode_image(content, "a.png")), np.asarray(scene()))
        assert bytes_fingerprint(content, ALL) == bytes_fingerprint(content)


def _png(width: int, height: int, bits: int, colour: int, rows: bytes, early=(), late=()) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = (b"IDAT", zlib.compress(rows))
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    for kind, body in ((b"IHDR", header), *early, data, *late, (b"IEND", b"")):
        file.write(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )
    return file.getvalue()


def test_16_bits_are_scaled_in_little_memory_and_alike_in_every_part():
    pixels = np.random.default_rng(0).integers(0, 65536, (700, 1000), dtype=np.uint16)
    image = Image.fromarray(pixels)
    tracemalloc.start()
    try:
        found, _ = from_16bit_grey(image, PixelOptions(scale_16bit=5000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    expected = (np.minimum(pixels.astype(int), 5000) * 510 + 5000) // 10_000
    assert (np.asarray(found)[..., 0] == expected).all()
    assert peak < 16 * pixels.size
