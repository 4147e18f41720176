"""Photographs as phones, microscopes and broken disks leave them, in an image-folder, by commands."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.commands import HISTOGRAM, Command, chosen
from support.making import create

from stackkit.api import UsageError
from stackkit_plugins import csv_table, image_folder

AFFECTED = ("a/turned.jpg", "b/alpha.png", "b/microscope.tif")


@pytest.fixture
def root(tmp_path: Path, bird_folder: Path) -> Path:
    """Two classes of three plain photographs each, and five special images."""
    folder = tmp_path / "photos"
    for name, species in zip("ab", sorted(bird_folder.iterdir()), strict=False):
        (folder / name).mkdir(parents=True)
        for number, path in enumerate(sorted(species.iterdir())[:3]):
            (folder / name / f"{number}.jpg").write_bytes(path.read_bytes())
    with Image.open(folder / "a/0.jpg") as photograph:
        exif = Image.Exif()
        exif[0x0112] = 6
        photograph.save(folder / "a/turned.jpg", exif=exif)
        photograph.putalpha(100)
        photograph.save(folder / "b/alpha.png")
    wide = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(wide).save(folder / "b/microscope.tif")
    content = (folder / "a/1.jpg").read_bytes()
    (folder / "a/damaged.jpg").write_bytes(content[: len(content) * 2 // 3] + b"\xff\xd9")
    (folder / "a/phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (folder / "a/phone.nef").write_bytes(b"II*\0" + bytes(100))
    return folder


def test_a_report_mentions_special_images_also_when_their_features_are_reused(
    stackkit: Command, root: Path, home: Path
) -> None:
    def mentioned(document) -> tuple:
        notes = [note for note in document["notes"] if "image(s)" in note or "raw" in note]
        return notes, document["suspect_images"], document["failed_images"]

    first = mentioned(stackkit("run", *chosen(root), "--json").document)
    notes, suspect, failed = first
    for text in (
        "1 image(s) damaged but used",
        "1 image(s) turned upright",
        "1 image(s) with transparent pixels, used in the colours",
        "1 image(s) with 16 bits that use less than a quarter",
        "for example b/microscope.tif",
        "ignored: raw photographs (develop them and save them as JPEG or TIFF): 1",
    ):
        assert sum(text in note for note in notes) == 1, text
    assert [(each["id"], "end too early" in each["reason"]) for each in suspect] == [
        ("a/damaged.jpg", True)
    ]
    assert [each["id"] for each in failed] == ["a/phone.heic"]
    assert "pillow-heif" in failed[0]["reason"]
    assert mentioned(stackkit("evaluate", *chosen(root), "--json").document) == first
    # A store of an older version, or of a run that was killed, remembers nothing, or half of a line.
    [remembered] = home.glob("features/image-remarks-*.jsonl")
    remembered.write_text(remembered.read_text()[:200])
    outcome = stackkit("evaluate", *chosen(root), "--json")
    assert mentioned(outcome.document) == first
    assert mentioned(stackkit("run", *chosen(root), "--json").document) == first
    assert "suspect: a/damaged.jpg" in stackkit("extract", *chosen(root)).out


def test_strict_refuses_damaged_images_also_when_their_features_are_reused(
    stackkit: Command, root: Path
) -> None:
    (root / "a/phone.heic").unlink()
    assert stackkit("extract", *chosen(root)).code == 0
    for command in ("run", "extract", "evaluate"):
        outcome = stackkit(command, *chosen(root), "--strict")
        assert outcome.code == 9
        assert "a/damaged.jpg: the JPEG data end too early" in outcome.error
    (root / "a/damaged.jpg").unlink()
    assert stackkit("evaluate", *chosen(root), "--strict").code == 6  # other images, so another file
    assert stackkit("run", *chosen(root), "--strict").code == 0


def test_another_option_computes_the_affected_images_again_and_no_others(
    stackkit: Command, root: Path
) -> None:
    plain = f"image-folder:root={root},orientation=ignore"
    backbones = ("--backbones", HISTOGRAM)
    stackkit("extract", "--dataset", plain, *backbones)
    for options, computed in (
        ("", 1),
        (",background=white", 1),
        (",background=white,scale_16bit=4095", 1),
        (",background=#ffffff,scale_16bit=image", 1),
    ):
        dataset = f"image-folder:root={root}{options}"
        document = stackkit("extract", "--dataset", dataset, *backbones, "--json").document
        assert document["computed"] == {HISTOGRAM: computed}
        assert document["reused"] == {HISTOGRAM: 10 - computed}


def test_pixels_follow_the_options(root: Path) -> None:
    options = {"orientation": "exif", "background": "black", "scale_16bit": 4095}
    default, other = (
        create(image_folder, root=str(root)),
        create(image_folder, root=str(root), **options),
    )
    names = [sample.id for sample in default.samples]
    alpha, microscope = names.index(AFFECTED[1]), names.index(AFFECTED[2])
    with Image.open(root / "a/turned.jpg") as stored:
        assert default.image(names.index(AFFECTED[0])).size == stored.size[::-1]
    assert np.asarray(default.image(microscope)).max() == 16
    assert np.asarray(other.image(microscope)).max() == 255
    assert np.asarray(other.image(alpha)).mean() < np.asarray(default.image(alpha)).mean() / 2
    table = root / "table.csv"
    table.write_text("path,label\na/turned.jpg,a\nb/microscope.tif,b\n")
    listed = create(csv_table, file=str(table), scale_16bit=4095)
    assert listed.image(0) == default.image(names.index(AFFECTED[0]))
    assert listed.image(1) == other.image(microscope)
    assert [listed.fingerprint(i)[32:] for i in range(2)] == ["-exif", "-16bit-4095"]
    with pytest.raises(UsageError, match="background must be the name of a colour"):
        create(image_folder, root=str(root), background="whitish")
