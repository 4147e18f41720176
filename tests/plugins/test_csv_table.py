"""Tables of images as people and programs write them: delimiters, encodings, boxes, groups, mistakes."""

import importlib.util
import unicodedata
from pathlib import Path

import pytest
from PIL import Image
from support.conformance import broken
from support.making import create

from stackkit.api import DatasetError, ImageError, UsageError, file_fingerprint
from stackkit_plugins import csv_table

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images; the left half is black, the right half has a colour."""
    for name, colour in {"a": "red", "b": "blue", "c": "lime", "d": "white"}.items():
        image = Image.new("RGB", (20, 10))
        image.paste(Image.new("RGB", (10, 10), colour), (10, 0))
        image.save(tmp_path / f"{name}.png")
    return tmp_path


def read(folder: Path, content: str | bytes, **options):
    file = folder / "table.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return create(csv_table, file=str(file), **options)


def test_it_passes_all_checks(bird_folder, tmp_path):
    table = tmp_path / "birds.csv"
    photographs = sorted(bird_folder.rglob("*.jpg"))
    lines = [
        f"{path.relative_to(bird_folder)},{path.parent.name},{split},{i // 2},8 8 60 60"
        for i, (path, split) in enumerate(zip(photographs, ["train", "train", "test"] * 6, strict=True))
    ]
    table.write_text("\n".join(["path,label,split,group,box", *lines]))
    options = f"file={table},root={bird_folder}"
    assert broken("csv", f"csv:{options}") == {}
    dataset = create(csv_table, file=str(table), root=str(bird_folder))
    assert dataset.notes == ("groups: 9 groups have 18 images; the largest, 8, has 2",)
    assert dataset.fingerprint(0) == file_fingerprint(photographs[0])


def test_rows_become_samples_in_their_order(folder):
    text = "label,Path,split,group\n10,d.png,Testing,\n9,./a.png,train,nest 1\n9,b.png,,nest 1\n"
    dataset = read(folder, text)
    assert dataset.classes == ("9", "10")
    assert [(each.id, each.label, each.split, each.group) for each in dataset.samples] == [
        ("d.png", 1, "test", None),
        ("a.png", 0, "train", "nest 1"),
        ("b.png", 0, None, "nest 1"),
    ]
    assert dataset.image(1).getpixel((19, 0)) == (255, 0, 0)
    assert dataset.notes == (
        "groups: 1 groups have 2 images; the largest, nest 1, has 2",
        "images without a group, each a group of its own: 1 (for example d.png)",
    )


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("path,label\na.png,Möwe\nb.png,x\n".encode(), {}),
        ("\ufeffpath;label\r\na.png;Möwe\r\nb.png;x\r\n".encode(), {}),
        ("path\tlabel\na.png\tMöwe\nb.png\tx\n".encode("utf-16"), {}),
        ("path|label\na.png|Möwe\nb.png|x".encode("cp1252"), {"encoding": "cp1252"}),
        (b'"path";"label"\n"a.png";"M\xc3\xb6we"\n\n"b.png";"x"\n;\n', {}),
        (unicodedata.normalize("NFD", "path,label\na.png,Möwe\nb.png,x\n").encode(), {}),
    ],
)
def test_delimiters_encodings_quotes_and_blank_lines_do_not_matter(folder, content, options):
    dataset = read(folder, content, **options)
    assert dataset.classes == ("Möwe", "x")
    assert [sample.id for sample in dataset.samples] == ["a.png", "b.png"]


def test_quoted_fields_may_contain_the_delimiter(folder):
    (folder / "x, y.png").write_bytes((folder / "a.png").read_bytes())
    dataset = read(folder, 'path,label\n"x, y.png","red, warm"\nb.png,"so called ""blue"""\n')
    assert dataset.classes == ("red, warm", 'so called "blue"')
    assert dataset.image(0).size == (20, 10)


def test_paths_are_found_however_they_are_written(folder):
    (folder / "sub").mkdir()
    written = unicodedata.normalize("NFC", "é.png")
    for name in ("sub/1.png", unicodedata.normalize("NFD", written)):
        (folder / name).write_bytes((folder / "a.png").read_bytes())
    dataset = read(folder, f"path,label\n{folder}/a.png,u\nsub\\1.png,v\n{written},v\n")
    assert [sample.id for sample in dataset.samples] == ["a.png", "sub/1.png", written]
    assert [dataset.image(i).size for i in range(3)] == [(20, 10)] * 3
    assert dataset.notes == ()


def test_missing_files_fail_alone_and_unused_columns_are_noted(folder):
    dataset = read(folder, "path,label,date\na.png,warm,1\ngone.png,warm,2\nb.png,cold,3\n")
    assert dataset.notes == (
        "listed images that do not exist: 1 (for example gone.png on line 3)",
        "unused columns of the table: 1 (for example date)",
    )
    assert dataset.image(2).size == (20, 10)
    with pytest.raises(ImageError, match="missing"):
        dataset.image(1)
    with pytest.raises(OSError, match=r"gone\.png"):
        dataset.fingerprint(1)


def test_crop_cuts_images_to_their_boxes(folder):
    text = 'path,label,box\na.png,black,0 0 10 10\na.png,red,"[10, 0, 99, 10]"\nb.png,red,\n'
    with pytest.raises(DatasetError, match=r"line 3: a\.png is already listed on line 2 with label 'bl"):
        read(folder, text)
    cut = read(folder, text, crop=True)
    assert [cut.image(i).size for i in range(3)] == [(10, 10), (10, 10), (20, 10)]
    assert [cut.image(i).getpixel((0, 0)) for i in range(2)] == [(0, 0, 0), (255, 0, 0)]
    assert len({cut.fingerprint(i) for i in range(3)}) == 3
    assert cut.samples[0].id == "a.png#0,0,10,10"
    outside = read(folder, "path,label,box\na.png,u,50 0 9 9\nb.png,v,\n", crop=True)
    with pytest.raises(ImageError, match="outside the image of 20x10 pixels"):
        outside.image(0)


def test_small_classes_are_left_out_before_the_limit(folder):
    text = "path,label\na.png,u\nb.png,v\nc.png,v\nd.png,w\ne.png,w\n"
    dataset = read(folder, text, min_per_class=2, limit=1)
    assert dataset.classes == ("v", "w")
    assert [(sample.id, sample.label) for sample in dataset.samples] == [("b.png", 0), ("d.png", 1)]
    assert "left out by min_per_class=2: 1 classes with 1 images (for example u with 1)" in dataset.notes


INVALID = [
    ("file;class\na.png;x\n", "line 1: expected columns path and label, optionally split, group and"),
    ("path,label,path\n", "line 1: column names must be unique"),
    ("path,label\na.png,u\nb.png\n", r"line 3: expected 2 fields as in line 1 .*got 1; put quotes"),
    ("path,label\na.png,\n", "line 2: label must be one line of text, got ''"),
    ('path,label\n"a\n.png",u\n', r"line 3: path must be one line of text, got 'a.n\.png'"),
    ("path,label,split\na.png,u,part 1\n", "line 2: split must be empty or one of these: train, tr"),
    (
        "path,label,split\na.png,u,Test\nb.png,u,test\nc.png,v,eval\n",
        "line 4: split 'eval' means test, as does 'test' on line 2; use one word",
    ),
    ("path,label,box\na.png,u,1 2 3\n", "line 2: box must be four numbers in pixels or empty, as in"),
    ("path,label,box\na.png,u,1 2 0 9\n", "line 2: width and height of a box must be > 0, got '1 2"),
    ('path,label\na.png,u\n"b.png,v\n', "line 3: not valid CSV"),
    ("path,label\n\na.png,u\nx/../a.png,v\n", r"line 4: x/\.\./a\.png is already listed on line 3 with"),
    ("path,label\n", "lists no images"),
    ("path,label\na.png,u\nb.png,u\n", "must have two or more labels, got only 'u'"),
    ("path,label\nq/a.png,u\nq/b.png,v\n", "none of the 2 images .*q/a.png on line 2; pass root="),
    ("", "line 1: expected columns path and label"),
    ("path,label\na.png,x\nb.png,ä\n".encode("latin-1"), "line 3: not utf-8 text .*encoding=cp1252"),
]


@pytest.mark.parametrize(("content", "found"), INVALID)
def test_an_invalid_table_is_refused_with_the_line(folder, content, found):
    with pytest.raises(DatasetError, match=found) as caught:
        read(folder, content)
    assert "\n" not in str(caught.value)
    assert str(folder / "table.csv") in str(caught.value)


def test_unusable_options_are_refused(folder):
    with pytest.raises(DatasetError, match=r"none\.csv cannot be read"):
        create(csv_table, file=str(folder / "none.csv"))
    with pytest.raises(DatasetError, match="nowhere is not a folder"):
        read(folder, "path,label\n", root="nowhere")
    with pytest.raises(UsageError, match="encoding=hex is unknown; use for example utf-8"):
        read(folder, "path,label\n", encoding="hex")
    with pytest.raises(UsageError, match="file= is required"):
        create(csv_table)


@pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow, of the extra parquet, is not installed")
def test_a_parquet_file_is_read_like_a_csv_file(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "path": ["a.png", "b.png", "c.png"],
        "label": [1, 2, 2],
        "split": ["train", "eval", None],
        "group": [None, "x", "x"],
        "box": [[0.0, 0.0, 5.0, 5.0], None, None],
        "date": [1, 2, 3],
    }
    pq.write_table(pa.table(columns), folder / "table.parquet")
    dataset = create(csv_table, file=str(folder / "table.parquet"), crop=True)
    assert [(each.id, each.label, each.split, each.group) for each in dataset.samples] == [
        ("a.png#0,0,5,5", 0, "train", None),
        ("b.png", 1, "test", "x"),
        ("c.png", 1, None, "x"),
    ]
    assert dataset.image(0).size == (5, 5)
    assert dataset.notes[-1] == "unused columns of the table: 1 (for example date)"
    pq.write_table(pa.table({"path": ["a.png", "b.png"], "label": ["u", None]}), folder / "bad.parquet")
    with pytest.raises(DatasetError, match=r"bad\.parquet, row 2: label must be one line of text"):
        create(csv_table, file=str(folder / "bad.parquet"))
    (folder / "no.parquet").write_text("path,label\n")
    with pytest.raises(DatasetError, match=r"no\.parquet cannot be read as Parquet"):
        create(csv_table, file=str(folder / "no.parquet"))
