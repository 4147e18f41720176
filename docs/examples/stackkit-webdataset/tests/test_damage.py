"""Damaged, duplicate and missing members are counted in the notes or refused."""

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
        ([("9.jpg", jpeg(9))], "images without a label (.cls): 1 (for example a.tar/9)"),
        ([("9.cls", b"u")], "keys without an image: 1 (for example a.tar/9.cls)"),
        (
            [("9.jpg", jpeg(9)), ("9.png", jpeg(9)), ("9.cls", b"u")],
            "keys with several images (choose one with image=): 1 (for example a.tar/9.jpg)",
        ),
        (
            [*pair(9, "u"), ("000009.JPG", jpeg(8))],
            "duplicate keys: 1 (for example a.tar/000009)",
        ),
        (
            [("9.jpg", jpeg(9)), ("9.cls", b" \n")],
            "images whose label (cls) is neither text nor a whole number: 1 (for example a.tar/9)",
        ),
        (
            [("9.jpg", jpeg(9)), ("9.cls", b"\xff")],
            "images whose label (cls) is neither text nor a whole number: 1 (for example a.tar/9)",
        ),
        (
            [("000001.txt", b"a crow"), ("000002.txt", b"a tit")],
            "members that are neither images nor labels: 2"
            " (for example a.tar/000001.txt, a.tar/000002.txt)",
        ),
        (
            [("LICENSE", b""), (".x.jpg", b""), ("a\nb.jpg", b"")],
            "members without key and ending: 3"
            r" (for example a.tar/LICENSE, a.tar/.x.jpg, a.tar/a\nb.jpg)",
        ),
    ],
)
def test_members_that_make_no_sample_are_counted(tmp_path: Path, members: list, note: str) -> None:
    dataset = read(shard(tmp_path / "a.tar", [*GOOD, *members]))
    assert len(dataset.samples) == 2
    assert dataset.notes == (f"skipped, {note}",)


@pytest.mark.parametrize("value", [None, True, 1.5, ["u"], ""])
def test_an_invalid_json_label_is_counted(tmp_path: Path, value: object) -> None:
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
    assert (
        "(json.k) is neither text nor a whole number: 3 (for example a.tar/000003, a.tar/4, a.tar/5)"
        in note
    )


def test_links_and_shards_without_an_image_are_counted(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", GOOD)
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        link = tarfile.TarInfo("9.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "000001.jpg"
        archive.addfile(link)
    shard(tmp_path / "empty.tar", [])
    assert read(tmp_path).notes == (
        "skipped, links and other members that are not files: 1 (for example a.tar/9.jpg)",
        "skipped, shards without a labelled image: 1 (for example empty.tar)",
    )


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_a_compressed_shard_is_refused_with_the_command(tmp_path: Path, name: str) -> None:
    content = shard(tmp_path / "plain.tar", GOOD).read_bytes()
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / name).write_bytes(gzip.compress(content))
    target = "unpacked-a.tar" if name == "a.tar" else "a.tar"
    with pytest.raises(DatasetError, match=f"compressed with gzip.*`gzip -dc {name} > {target}`"):
        read(tmp_path / "shards")
    if name != "a.tar":
        (tmp_path / "shards" / "a.tar").write_bytes(content)
        assert read(tmp_path / "shards").notes == (
            f"skipped, files that are not shards: 1 (for example {name})",
        )


def test_members_before_the_cut_of_a_truncated_shard_are_used(tmp_path: Path) -> None:
    whole = shard(
        tmp_path / "whole.tar", [each for n in range(4) for each in pair(n, n % 2)]
    ).read_bytes()
    with listed("whole.tar", tmp_path / "whole.tar") as (listing, _):
        image = listing.members[4]
    path = tmp_path / "cut.tar"
    reasons = {
        image.offset + image.size - 1: "the file ends within the next member",
        image.offset - 100: "the end mark is missing",  # within a header
        image.offset - 512: "the end mark is missing",  # between two members
    }
    for length, reason in reasons.items():
        path.write_bytes(whole[:length])
        dataset = read(path)
        assert [sample.id for sample in dataset.samples] == ["cut.tar/000000.jpg", "cut.tar/000001.jpg"]
        (note,) = dataset.notes
        assert note.endswith(
            f"rest of damaged shards: 1 (for example cut.tar: after 4 members, {reason})"
        )
        assert dataset.image(1).size == (24, 16)


def test_a_member_of_unknown_type_and_enormous_size_ends_its_shard(tmp_path: Path) -> None:
    info = tarfile.TarInfo("9.jpg")
    info.type, info.size = b"Q", 1 << 70
    content = shard(tmp_path / "a.tar", GOOD).read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512) + info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    (tmp_path / "a.tar").write_bytes(content)
    assert "after 4 members, the file ends within the next member" in " ".join(read(tmp_path).notes)


def test_zeros_garbage_and_a_second_archive_in_a_shard_are_reported(tmp_path: Path) -> None:
    one = shard(tmp_path / "one.tar", GOOD).read_bytes()
    two = shard(tmp_path / "two.tar", pair(3, "u")).read_bytes()
    with listed("one.tar", tmp_path / "one.tar") as (listing, _):
        header = listing.members[2].offset - 512
    damaged = {
        one + two: "there is data after the end mark",
        one[:header] + bytes(512) + one[header + 512 :]: "there is data after the end mark",
        one[:header] + b"?" * 512 + one[header + 512 :]: "the next header is invalid",
    }
    for content, reason in damaged.items():
        (tmp_path / "bad.tar").write_bytes(content)
        assert reason in " ".join(read(tmp_path).notes)
    (tmp_path / "bad.tar").write_bytes(b"")
    assert "bad.tar: after 0 members, empty file" in " ".join(read(tmp_path).notes)


def test_random_damage_raises_only_errors_of_stackkit(tmp_path: Path) -> None:
    whole = shard(tmp_path / "a.tar", [*GOOD, ("x" * 200 + ".jpg", b"")]).read_bytes()
    draw = random.Random(0)  # noqa: S311 - not a secret
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


def test_a_member_that_is_not_an_image_fails_alone(tmp_path: Path) -> None:
    members = [*GOOD, ("9.jpg", b"<html>"), ("9.cls", b"u"), ("8.jpg", b""), ("8.cls", b"u")]
    dataset = read(shard(tmp_path / "a.tar", members))
    assert dataset.samples[2].id == "a.tar/9.jpg"
    for i, reason in {2: "cannot identify image file '9.jpg'", 3: "the file is empty"}.items():
        with pytest.raises(ImageError, match=re.escape(reason)):
            dataset.image(i)
    assert dataset.image(1).mode == "RGB"


def test_a_shard_that_changed_after_it_was_listed_is_refused(
    tmp_path: Path,
) -> None:
    path = shard(tmp_path / "a.tar", GOOD)
    dataset, before = read(path), read(path).fingerprint(0)
    shard(path, [("000001.jpg", jpeg(7)), *GOOD[1:]])
    os.utime(path, ns=(1, 1))  # in case the clock is coarse
    for call in (dataset.image, dataset.fingerprint):
        with pytest.raises(ImageError, match=r"a\.tar changed during the run"):
            call(0)
    assert read(path).fingerprint(0) != before
    path.unlink()
    with pytest.raises(FileNotFoundError):
        dataset.image(0)


def test_a_root_without_shards_or_with_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    with pytest.raises(DatasetError, match=r"has no shards .*not shards: 1 \(for example a\.zip\)"):
        read(tmp_path)
    shard(tmp_path / "a.tar", pair(1, "u"))
    with pytest.raises(DatasetError, match="got 1 labelled images of 1 classes"):
        read(tmp_path)
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="root= is required"):
        read(None)


def test_sparse_members_are_skipped(tmp_path: Path) -> None:
    """Their content is not contiguous."""
    path = shard(tmp_path / "a.tar", GOOD)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("9.jpg")
        info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9", "GNU.sparse.name": "9.jpg"}
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    (note,) = read(path).notes
    assert note == "skipped, links and other members that are not files: 1 (for example a.tar/9.jpg)"
