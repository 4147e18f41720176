"""Test what `manifest` does beyond the requirements for every dataset."""

from pathlib import Path

import pytest
from PIL import Image
from stackkit.api import DatasetError, ImageError, UsageError
from stackkit_manifest.dataset import ManifestDataset, manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make four images; the left half is black, the right half has a colour."""
    for name, colour in {"a": "red", "b": "blue", "c": "lime", "d": "white"}.items():
        image = Image.new("RGB", (20, 10))
        image.paste(Image.new("RGB", (10, 10), colour), (10, 0))
        image.save(tmp_path / f"{name}.png")
    return tmp_path


def read(folder: Path, text: str, *, crop: bool = False) -> ManifestDataset:
    file = folder / "manifest.csv"
    file.write_text(text, encoding="utf-8")
    return manifest(file=str(file), root=None, crop=crop, limit=None)


def test_lines_become_samples_in_their_order(folder: Path) -> None:
    dataset = read(folder, "label,path,split\n10,d.png,testing\n9,a.png,train\n9,b.png,\n")
    assert dataset.classes == ("9", "10")
    assert [(each.id, each.label, each.split) for each in dataset.samples] == [
        ("d.png", 1, "test"),
        ("a.png", 0, "train"),
        ("b.png", 0, None),
    ]
    assert dataset.image(1).getpixel((19, 0)) == (255, 0, 0)


def test_tabs_are_separators_too_and_a_byte_order_mark_is_ignored(folder: Path) -> None:
    dataset = read(folder, "\ufeffpath\tlabel\na.png\tred, warm\nb.png\tblue\n")
    assert dataset.classes == ("blue", "red, warm")


def test_a_missing_file_fails_alone(folder: Path) -> None:
    dataset = read(folder, "path,label\na.png,warm\ngone.png,warm\nb.png,cold\n")
    assert dataset.notes == ("listed images that do not exist: 1 (for example gone.png)",)
    assert dataset.image(2).size == (20, 10)
    with pytest.raises(ImageError, match="missing"):
        dataset.image(1)
    with pytest.raises(OSError, match=r"gone\.png"):
        dataset.fingerprint(1)


def test_crop_cuts_images_to_their_boxes(folder: Path) -> None:
    text = "path,label,x,y,w,h\na.png,black,0,0,10,10\na.png,red,10,0,99,10\nb.png,red,,,,\n"
    with pytest.raises(DatasetError, match=r"line 3: a\.png is already listed on line 2"):
        read(folder, text)
    cut = read(folder, text, crop=True)
    assert [cut.image(i).size for i in range(3)] == [(10, 10), (10, 10), (20, 10)]
    assert [cut.image(i).getpixel((0, 0)) for i in range(2)] == [(0, 0, 0), (255, 0, 0)]
    assert len({cut.fingerprint(i) for i in range(3)}) == 3
    assert cut.samples[0].id == "a.png#0,0,10,10"


def test_a_box_outside_its_image_fails_alone(folder: Path) -> None:
    dataset = read(folder, "path,label,x,y,w,h\na.png,u,50,0,9,9\nb.png,v,,,,\n", crop=True)
    with pytest.raises(ImageError, match="outside the image of 20x10 pixels"):
        dataset.image(0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("file;class\na.png;x\n", "line 1: expected column names path,label"),
        ("path,label,path\n", "line 1: column names must be unique"),
        ("path,label,x,y\n", "line 1: a box needs the four columns"),
        ("path,label\na.png,u\nb.png\n", "line 3: expected 2 fields as in line 1, got 1"),
        ("path,label\na.png,\n", "line 2: label must be one line of text, got ''"),
        ('path,label\n"a\n.png",u\n', "line 3: path must be one line of text, got 'a.n.png'"),
        (
            "path,label,split\na.png,u,dev\n",
            "line 2: split must be train, val, test or empty, got 'dev'",
        ),
        (
            "path,label,x,y,w,h\na.png,u,1,2,3,\n",
            "line 2: a box must be four numbers or empty, got '1,2,3,'",
        ),
        (
            "path,label,x,y,w,h\na.png,u,1,2,0,9\n",
            "line 2: width and height of a box must be > 0, got '1,2,0,9'",
        ),
        ('path,label\na.png,u\n"b.png,v\n', "line 3: not valid CSV"),
        ("path,label\n\na.png,u\na.png,v\n", r"line 4: a\.png is already listed on line 3"),
        ("path,label\n", "lists no images"),
        ("path,label\na.png,u\nb.png,u\n", "must have two or more labels, got only 'u'"),
        ("path,label\nq/a.png,u\nq/b.png,v\n", "none of the 2 images .* pass root="),
        ("", "line 1: expected column names path,label"),
    ],
)
def test_an_invalid_line_is_refused_by_number(folder: Path, text: str, found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        read(folder, text)


def test_other_encodings_and_missing_files_are_refused(folder: Path) -> None:
    (folder / "latin.csv").write_bytes("path,label\nä.png,u\n".encode("latin-1"))
    for name, found in {"latin.csv": "save it as UTF-8", "none.csv": "none.csv cannot be read"}.items():
        with pytest.raises(DatasetError, match=found):
            manifest(file=str(folder / name), root=None, crop=False, limit=None)
    with pytest.raises(DatasetError, match="nowhere is not a folder"):
        manifest(file=str(folder / "latin.csv"), root="nowhere", crop=False, limit=None)
    with pytest.raises(UsageError, match="file= is required"):
        manifest(file=None, root=None, crop=False, limit=None)
