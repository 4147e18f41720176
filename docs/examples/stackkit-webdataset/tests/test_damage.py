"""What is broken, twice there or lacking: counted and said, or refused with what to do."""

import contextlib
import gzip
import io
import os
import random
import re
import tarfile
from pathlib import Path

import pytest
from stackkit.api import DatasetError, ImageError, UsageError
from stackkit_webdataset.dataset import WebDataset, webdataset
from stackkit_webdataset.shard import listed

from writing import jpeg, pair, record, shard


def read(root: Path | str | None, label: str = "cls") -> WebDataset:
    return webdataset(root=root and str(root), label=label, image=None, classes=None, limit=None)


GOOD = [*pair(1, "u"), *pair(2, "v")]


@pytest.mark.parametrize(
    ("members", "note"),
    [
        ([("9.jpg", jpeg(9))], "images without a label (.cls): 1 (such as a.tar/9)"),
        ([("9.cls", b"u")], "keys without an image: 1 (such as a.tar/9.cls)"),
        (
            [("9.jpg", jpeg(9)), ("9.png", jpeg(9)), ("9.cls", b"u")],
            "keys with several images (image= chooses): 1 (such as a.tar/9.jpg)",
        ),
        (
            [*pair(9, "u"), ("000009.JPG", jpeg(8))],
            "keys that occur twice in their shard: 1 (such as a.tar/000009)",
        ),
        (
            [("9.jpg", jpeg(9)), ("9.cls", b" \n")],
            "images whose label (cls) is no text or whole number: 1 (such as a.tar/9)",
        ),
        (
            [("9.jpg", jpeg(9)), ("9.cls", b"\xff")],
            "images whose label (cls) is no text or whole number: 1 (such as a.tar/9)",
        ),
        (
            [("000001.txt", b"a crow"), ("000002.txt", b"a tit")],
            "members beside images and labels: 2 (such as a.tar/000001.txt, a.tar/000002.txt)",
        ),
        (
            [("LICENSE", b""), (".x.jpg", b""), ("a\nb.jpg", b"")],
            r"members without key and ending: 3 (such as a.tar/LICENSE, a.tar/.x.jpg, a.tar/a\nb.jpg)",
        ),
    ],
)
def test_what_makes_no_sample_is_counted(tmp_path: Path, members: list, note: str) -> None:
    dataset = read(shard(tmp_path / "a.tar", [*GOOD, *members]))
    assert len(dataset.samples) == 2
    assert dataset.notes == (f"left out, {note}",)


@pytest.mark.parametrize("value", [None, True, 1.5, ["u"], ""])
def test_a_json_value_that_names_no_class_is_counted(tmp_path: Path, value: object) -> None:
    members = [
        *record(1, k="u"),
        *record(2, k=7),
        *record(3, k=value),
        ("4.jpg", b""),
        ("4.json", b"[{"),
        ("5.jpg", b""),
        ("5.json", b"[" * 100_000),
    ]
    dataset = read(shard(tmp_path / "a.tar", members), label="json.k")
    assert dataset.classes == ("7", "u")
    (note,) = dataset.notes
    assert "(json.k) is no text or whole number: 3 (such as a.tar/000003, a.tar/4, a.tar/5)" in note


def test_links_and_shards_without_an_image_are_counted(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", GOOD)
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        link = tarfile.TarInfo("9.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "000001.jpg"
        archive.addfile(link)
    shard(tmp_path / "empty.tar", [])
    assert read(tmp_path).notes == (
        "left out, links and other members that are no files: 1 (such as a.tar/9.jpg)",
        "left out, shards without a labelled image: 1 (such as empty.tar)",
    )


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_a_compressed_shard_is_refused_with_the_command(tmp_path: Path, name: str) -> None:
    content = shard(tmp_path / "plain.tar", GOOD).read_bytes()
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / name).write_bytes(gzip.compress(content))
    target = "unpacked-a.tar" if name == "a.tar" else "a.tar"
    with pytest.raises(DatasetError, match=f"compressed by gzip.*`gzip -dc {name} > {target}`"):
        read(tmp_path / "shards")
    if name != "a.tar":
        (tmp_path / "shards" / "a.tar").write_bytes(content)
        assert read(tmp_path / "shards").notes == (
            f"left out, files that are no shards: 1 (such as {name})",
        )


def test_of_a_truncated_shard_all_before_the_cut_is_kept_and_the_cut_is_said(tmp_path: Path) -> None:
    whole = shard(
        tmp_path / "whole.tar", [each for n in range(4) for each in pair(n, n % 2)]
    ).read_bytes()
    with listed("whole.tar", tmp_path / "whole.tar") as (listing, _):
        image = listing.members[4]
    path = tmp_path / "cut.tar"
    reasons = {
        image.offset + image.size - 1: "the file ends within the next",
        image.offset - 100: "a tar file's end mark is lacking",  # within a header
        image.offset - 512: "a tar file's end mark is lacking",  # between two members
    }
    for length, reason in reasons.items():
        path.write_bytes(whole[:length])
        dataset = read(path)
        assert [sample.id for sample in dataset.samples] == ["cut.tar/000000.jpg", "cut.tar/000001.jpg"]
        (note,) = dataset.notes
        assert note.endswith(f"shards that are damaged: 1 (such as cut.tar: after 4 members, {reason})")
        assert dataset.image(1).size == (24, 16)


def test_a_member_of_unknown_type_that_claims_to_be_enormous_ends_its_shard(tmp_path: Path) -> None:
    info = tarfile.TarInfo("9.jpg")
    info.type, info.size = b"Q", 1 << 70
    content = shard(tmp_path / "a.tar", GOOD).read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512) + info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    (tmp_path / "a.tar").write_bytes(content)
    assert "after 4 members, the file ends within the next" in " ".join(read(tmp_path).notes)


def test_zeros_garbage_and_a_second_archive_within_a_shard_are_said(tmp_path: Path) -> None:
    one = shard(tmp_path / "one.tar", GOOD).read_bytes()
    two = shard(tmp_path / "two.tar", pair(3, "u")).read_bytes()
    with listed("one.tar", tmp_path / "one.tar") as (listing, _):
        header = listing.members[2].offset - 512
    damaged = {
        one + two: "an end mark, and more behind it",
        one[:header] + bytes(512) + one[header + 512 :]: "an end mark, and more behind it",
        one[:header] + b"?" * 512 + one[header + 512 :]: "no header of a member follows",
    }
    for content, reason in damaged.items():
        (tmp_path / "bad.tar").write_bytes(content)
        assert reason in " ".join(read(tmp_path).notes)
    (tmp_path / "bad.tar").write_bytes(b"")
    assert "bad.tar: after 0 members, empty file" in " ".join(read(tmp_path).notes)


def test_random_damage_raises_nothing_but_errors_for_users(tmp_path: Path) -> None:
    whole = shard(tmp_path / "a.tar", [*GOOD, ("x" * 200 + ".jpg", b"")]).read_bytes()
    draw = random.Random(0)  # noqa: S311 - no secret
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (tmp_path / "a.tar").write_bytes(content[: draw.randrange(len(content))])
        with contextlib.suppress(DatasetError):
            dataset = read(tmp_path)
            for i in range(len(dataset.samples)):
                with contextlib.suppress(ImageError):
                    dataset.image(i)


def test_a_member_that_is_no_image_fails_alone_and_is_named(tmp_path: Path) -> None:
    members = [*GOOD, ("9.jpg", b"<html>"), ("9.cls", b"u"), ("8.jpg", b""), ("8.cls", b"u")]
    dataset = read(shard(tmp_path / "a.tar", members))
    assert dataset.samples[2].id == "a.tar/9.jpg"
    for i, reason in {2: "cannot identify image file '9.jpg'", 3: "the file is empty"}.items():
        with pytest.raises(ImageError, match=re.escape(reason)):
            dataset.image(i)
    assert dataset.image(1).mode == "RGB"


def test_a_shard_that_changes_or_goes_after_it_was_listed_is_not_read_by_old_places(
    tmp_path: Path,
) -> None:
    path = shard(tmp_path / "a.tar", GOOD)
    dataset, before = read(path), read(path).fingerprint(0)
    shard(path, [("000001.jpg", jpeg(7)), *GOOD[1:]])
    os.utime(path, ns=(1, 1))  # however coarse the clock is
    for call in (dataset.image, dataset.fingerprint):
        with pytest.raises(ImageError, match=r"a\.tar was changed meanwhile"):
            call(0)
    assert read(path).fingerprint(0) != before
    path.unlink()
    with pytest.raises(FileNotFoundError):
        dataset.image(0)


def test_a_root_without_shards_or_with_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    with pytest.raises(DatasetError, match=r"has no shards; .*no shards: 1 \(such as a\.zip\)"):
        read(tmp_path)
    shard(tmp_path / "a.tar", pair(1, "u"))
    with pytest.raises(DatasetError, match="1 labelled images of 1 classes"):
        read(tmp_path)
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="root= is wanted"):
        read(None)


def test_sparse_members_are_left_out(tmp_path: Path) -> None:
    """Their bytes do not lie in one piece."""
    path = shard(tmp_path / "a.tar", GOOD)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("9.jpg")
        info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9", "GNU.sparse.name": "9.jpg"}
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    (note,) = read(path).notes
    assert note == "left out, links and other members that are no files: 1 (such as a.tar/9.jpg)"
