"""JPEG files that Pillow decodes without an error, although a part of the picture is missing."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackkit.api import decode_image
from stackkit.api.jpeg_damage import jpeg_damage, unchecked
from stackkit.api.pixels import remarks


@pytest.fixture(scope="module")
def photograph(cub_root: Path) -> Image.Image:
    with Image.open(min((cub_root / "images").rglob("*.jpg"))) as image:
        return image.convert("RGB")


KINDS = (
    {},
    {"quality": 98, "subsampling": 0},
    {"quality": 20, "optimize": True},
    {"progressive": True},
    {"restart_marker_rows": 1},
    {"restart_marker_blocks": 1},
)


def jpeg(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def damages(content: bytes) -> dict[str, bytes]:
    """Copies of a file as broken disks and downloads leave them."""
    size = len(content)
    half, three_quarters, eighth = size // 2, size * 3 // 4, size // 8
    return {
        "cut, and ended by a program": content[:three_quarters] + b"\xff\xd9",
        "filled with zeros": content[:three_quarters] + bytes(size - three_quarters - 2) + b"\xff\xd9",
        "with a gap": content[:half] + content[half + eighth :],
        "with data of another file": content[:half] + content[-2 * eighth : -eighth] + content[half:],
    }


@pytest.mark.parametrize("options", KINDS[:3], ids=str)
def test_data_that_are_missing_or_left_over_are_damage(photograph, options):
    content = jpeg(photograph, **options)
    assert jpeg_damage(content) is None
    for what, damaged in damages(content).items():
        assert jpeg_damage(damaged), what
    cut = damages(content)["cut, and ended by a program"]
    assert [remark.kind for remark in remarks(decode_image(cut, "a.jpg"))] == ["damaged"]


@pytest.mark.parametrize("options", KINDS[3:], ids=str)
def test_a_progressive_file_or_one_with_restarts_that_was_cut_is_damaged(photograph, options):
    content = jpeg(photograph, **options)
    assert jpeg_damage(content) is None
    assert jpeg_damage(content[: len(content) * 3 // 4] + b"\xff\xd9")


def test_pictures_of_every_kind_and_size_are_fine(photograph):
    for size in ((8, 8), (33, 17), (250, 190)):
        photo = photograph.resize(size)
        flat = photo.copy()
        flat.paste((255, 255, 255), (0, size[1] // 3, *size))
        for image in (photo, flat, photo.convert("L"), photo.convert("CMYK"), Image.new("RGB", size)):
            for options in KINDS:
                assert jpeg_damage(jpeg(image, **options)) is None, (size, image.mode, options)


def test_what_follows_the_picture_does_not_matter(photograph):
    content = jpeg(photograph)
    assert jpeg_damage(content + b"a film of a phone" * 1000) is None
    assert jpeg_damage(content + content) is None


def test_what_is_no_jpeg_is_no_damaged_jpeg():
    rng = np.random.default_rng(0)
    for content in (b"", b"\xff\xd8", b"\xff\xd8\xff\xda", *(rng.bytes(300) for _ in range(20))):
        assert jpeg_damage(b"\xff\xd8\xff" + content) is None


def test_images_that_are_only_shown_are_not_checked(photograph):
    content = jpeg(photograph)[:-2_000]
    with unchecked():
        assert jpeg_damage(content) is None
    assert jpeg_damage(content)


def test_photographs_of_birds_are_fine(cub_root):
    photographs = sorted((cub_root / "images").rglob("*.jpg"))[::10]
    assert [path.name for path in photographs if jpeg_damage(path.read_bytes())] == []


@pytest.mark.slow
def test_all_photographs_of_birds_are_fine(cub_root):
    photographs = sorted((cub_root / "images").rglob("*.jpg"))
    assert [path.name for path in photographs if jpeg_damage(path.read_bytes())] == []
