"""Images from object storage are those from disk; what fails is named; nothing secret is shown."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image
from support.making import create
from support.object_storage import Server, cut, first, refusal, s3_server, upload

from stackkit.api import DatasetError, ImageError, PixelOptions, UsageError
from stackkit_plugins import csv_table, cub200, image_folder
from stackkit_plugins.shared.storage.listed import listed, listed_fingerprint
from stackkit_plugins.shared.storage.remote_path import RemotePath

pytest.importorskip("s3fs", reason="s3fs, of the extra s3, is not installed")
pytest.importorskip("moto", reason="moto, of the extra test, is not installed")

NUMBERS = count()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.faults.clear()
    running.requests.clear()
    return running


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes with three images each, and what is no image."""
    for place in range(6):
        path = tmp_path / "pictures" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + place, 5), (40 * place, 9, 9)).save(path)
    (tmp_path / "pictures" / "a" / "readme.txt").write_text("text")
    (tmp_path / "pictures" / ".trash").mkdir()
    (tmp_path / "pictures" / ".trash" / "old.png").write_bytes(b"")
    return tmp_path / "pictures"


@pytest.fixture
def bucket(server: Server, pictures: Path) -> str:
    """The pictures in a bucket of this test's own; returns the URL of their folder."""
    url = f"s3://bucket-{next(NUMBERS)}/my pictures"
    upload(pictures, url)
    server.requests.clear()
    return url


def folder(url: str | Path, **options: Any) -> Any:
    return create(image_folder, root=str(url), **options)


def pixels(dataset: Any) -> list[np.ndarray]:
    return [np.asarray(dataset.image(i)) for i in range(len(dataset.samples))]


def assert_same_images(remote: Any, local: Any) -> None:
    assert remote.classes == local.classes
    assert remote.samples == local.samples
    for one, other in zip(pixels(remote), pixels(local), strict=True):
        np.testing.assert_array_equal(one, other)


def in_memory(pictures: Path) -> str:
    url = f"memory://folder-{next(NUMBERS)}"
    upload(pictures, url)
    return url


class TestSameAsOnDisk:
    def test_an_image_folder_in_s3_is_listed_once_and_each_image_is_one_request(
        self, server, bucket, pictures
    ):
        remote, local = folder(bucket), folder(pictures)
        listings = server.requests.total()
        assert listings == 3  # the root and two classes; the hidden folder is left out
        assert_same_images(remote, local)
        assert remote.notes == local.notes
        marks = [remote.fingerprint(i) for i in range(6)]
        assert server.requests.total() == listings + 6
        assert len(set(marks)) == 6
        assert all(len(mark) == 39 and mark.startswith("remote-") for mark in marks)
        assert marks == [folder(bucket).fingerprint(i) for i in range(6)]

    def test_a_copy_of_the_images_elsewhere_has_equal_fingerprints(self, bucket, pictures):
        upload(pictures, f"s3://copy-{next(NUMBERS)}/x")
        one, other = folder(bucket), folder(f"s3://copy-{next(NUMBERS) - 1}/x")
        assert [one.fingerprint(i) for i in range(6)] == [other.fingerprint(i) for i in range(6)]

    def test_options_that_change_pixels_change_fingerprints(self, bucket):
        one, other = folder(bucket), folder(bucket, orientation="ignore")
        assert one.fingerprint(0) != other.fingerprint(0)

    def test_file_systems_without_etags_work_too(self, pictures):
        url = in_memory(pictures)
        assert_same_images(folder(url), folder(pictures))
        assert folder(url).fingerprint(0) == folder(url).fingerprint(0)

    def test_a_file_url_is_a_path(self, pictures):
        assert folder(f"file://{pictures}").fingerprint(0) == folder(pictures).fingerprint(0)

    def test_cub200_in_s3_is_that_on_disk(self, server, cub_root, tmp_path):
        small = part_of_cub(cub_root, tmp_path / "parent" / "CUB_200_2011")
        upload(small.parent, "s3://cub/parent")
        local = create(cub200, root=str(small))
        for root in ("s3://cub/parent", "s3://cub/parent/CUB_200_2011/"):
            remote = create(cub200, root=root)
            assert remote.samples == local.samples
            assert remote.notes == local.notes
        assert_same_images(remote, local)

    def test_folder_markers_and_colons_in_names_do_no_harm(self, bucket):
        files = fsspec.filesystem("s3")
        base = bucket.removeprefix("s3://")
        files.call_s3("put_object", Bucket=base[: base.index("/")], Key="my pictures/a/", Body=b"")
        files.pipe_file(f"{base}/a/x::y #1?.png", b"no image")
        files.pipe_file(f"{base}/a//lost.png", b"no image")
        dataset = folder(bucket)
        assert "a/x::y #1?.png" in [sample.id for sample in dataset.samples]
        assert any("folders without a name" in note for note in dataset.notes)


class TestTables:
    def test_a_table_in_s3_lists_images_beside_it_in_other_buckets_and_elsewhere(
        self, server, bucket, pictures, tmp_path
    ):
        other = in_memory(pictures)
        lines = [
            "path,label,box",
            "a/0.png,a,",
            f"{bucket}/b/1.png,b,0 0 4 4",
            f"{other}/a/2.png,a,",
            f"file://{pictures}/b/3.png,b,",
            "a/gone.png,a,",
        ]
        text = "\n".join(lines)
        fsspec.filesystem("s3").pipe_file(f"{bucket}/table.csv", text.encode())
        dataset = create(csv_table, file=f"{bucket}/table.csv", crop=True)
        ids = [sample.id for sample in dataset.samples]
        assert ids[:3] == ["a/0.png", "b/1.png#0,0,4,4", f"{other}/a/2.png"]
        assert [dataset.image(i).size for i in range(4)] == [(8, 5), (4, 4), (10, 5), (11, 5)]
        assert len({dataset.fingerprint(i) for i in range(4)}) == 4
        with pytest.raises(ImageError, match="missing"):
            dataset.image(4)
        assert dataset.notes[0].startswith("listed images that do not exist: 1 (for example a/gone.png")
        text += f"\n{pictures}/b/5.png,b,"
        (tmp_path / "table.csv").write_text(text)  # the same from a table on disk
        same = create(csv_table, file=str(tmp_path / "table.csv"), root=bucket)
        assert [sample.id for sample in same.samples][1] == "b/1.png"
        assert same.fingerprint(0) == dataset.fingerprint(0)
        assert same.image(5).size == (13, 5)

    def test_a_parquet_table_in_s3_is_read(self, bucket):
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        content = arrow.BufferOutputStream()
        rows = {"path": ["a/0.png", "b/1.png"], "label": ["a", "b"]}
        parquet.write_table(arrow.table(rows), content)
        fsspec.filesystem("s3").pipe_file(f"{bucket}/table.parquet", content.getvalue().to_pybytes())
        dataset = create(csv_table, file=f"{bucket}/table.parquet")
        assert dataset.image(1).size == (9, 5)
        for name in ("none.parquet", "none.csv"):
            with pytest.raises(DatasetError, match=f"{name} cannot be read .*check its path"):
                create(csv_table, file=f"{bucket}/{name}")

    def test_few_images_of_a_large_folder_do_not_list_it(self, server, bucket):
        text = "path,label\na/0.png,a\nb/1.png,b\n"
        fsspec.filesystem("s3").pipe_file(f"{bucket}/table.csv", text.encode())
        server.requests.clear()
        create(csv_table, file=f"{bucket}/table.csv")
        assert {what.partition(" ")[0] for what in server.requests} == {"HEAD", "GET"}
        assert not [what for what in server.requests if what.count("/") == 1]


def part_of_cub(root: Path, small: Path) -> Path:
    """Copy the first three images of two species with their lines of the metadata."""
    lines = (root / "images.txt").read_text().splitlines()
    species = sorted({line.split()[1].split("/")[0] for line in lines})[:2]
    kept = [ln for name in species for ln in [x for x in lines if x.split()[1].startswith(name)][:3]]
    numbers = {line.split()[0] for line in kept}
    (small / "images").mkdir(parents=True)
    for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes"):
        every = (root / f"{name}.txt").read_text().splitlines()
        (small / f"{name}.txt").write_text("".join(f"{x}\n" for x in every if x.split()[0] in numbers))
    classes = (root / "classes.txt").read_text().splitlines()
    chosen = [line for line in classes if line.split()[1] in species]
    (small / "classes.txt").write_text("".join(f"{line}\n" for line in chosen))
    for line in kept:
        path = small / "images" / line.split()[1]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((root / "images" / line.split()[1]).read_bytes())
    return small


GOOGLE = {"md5Hash": "zNpshk8s7KhBt7yI2JYMnw==", "etag": "CJ=", "generation": "17", "size": "9"}
AZURE = {"etag": "0x8D", "last_modified": datetime(2026, 1, 1, tzinfo=UTC), "size": 9}


class TestMarks:
    """What listings of packages that are not installed here say about an object."""

    @pytest.mark.parametrize(
        ("info", "mark"),
        [
            (GOOGLE, "md5 ccda6c864f2ceca841b7bc88d8960c9f"),
            ({**GOOGLE, "md5Hash": None}, "generation 17"),
            (AZURE, "etag 0x8D"),
            ({**AZURE, "etag": None}, "9 bytes, 1767225600.000000"),
            ({"size": 9, "mtime": 1767225600}, "9 bytes, 1767225600.000000"),
            ({"size": 9, "ETag": '"d41d8cd98f00b204e9800998ecf8427e-2"'}, "etag d41d8cd98f00b204e98"),
            ({"size": None}, ""),
        ],
    )
    def test_the_best_mark_is_used(self, info, mark):
        found = listed(info)
        assert found.mark.startswith(mark)
        assert bool(found.mark) == bool(mark)
        assert bool(found.md5) == mark.startswith("md5")
        one, other = (listed_fingerprint(RemotePath(root), found, PixelOptions()) for root in "ab")
        assert (one == other) == mark.startswith("md5")  # else another object may have the same mark


class TestOneImageFails:
    @pytest.mark.parametrize(
        "answer",
        [refusal("503 Slow Down", "SlowDown", "Reduce your request rate."), cut],
        ids=["slow-down", "reset"],
    )
    def test_a_transient_failure_is_tried_again(self, server, bucket, pictures, answer):
        remote = folder(bucket)
        server.faults.append(first(2, "0.png", answer))
        np.testing.assert_array_equal(np.asarray(remote.image(0)), np.asarray(folder(pictures).image(0)))

    def test_an_object_that_is_denied_empty_or_gone_fails_alone(self, server, bucket):
        base, files = bucket.removeprefix("s3://"), fsspec.filesystem("s3")
        files.pipe_file(f"{base}/a/empty.png", b"")
        remote = folder(bucket)
        place = {sample.id: i for i, sample in enumerate(remote.samples)}
        files.rm_file(f"{base}/b/1.png")
        server.faults.append(first(9, "0.png", refusal("403 Forbidden", "AccessDenied", "No access.")))
        for name, reason in {
            "a/0.png": "access denied: No access.",
            "a/empty.png": "the file is empty",
            "b/1.png": "the file is missing",
        }.items():
            with pytest.raises(ImageError, match=reason):
                remote.image(place[name])
        assert remote.image(place["b/3.png"]).size == (11, 5)

    def test_an_object_that_is_replaced_during_a_run_is_noticed(self, bucket, pictures):
        for url in (bucket, in_memory(pictures)):
            remote, before = folder(url), folder(url).fingerprint(0)
            files, base = fsspec.core.url_to_fs(url)
            files.pipe_file(f"{base}/a/0.png", (pictures / "b" / "1.png").read_bytes())
            with pytest.raises(ImageError, match="replaced during this run"):
                remote.image(0)
            assert remote.fingerprint(0) == before
            assert folder(url).fingerprint(0) != before


class TestStorageFails:
    def test_access_that_expires_ends_the_run_in_one_line(self, server, bucket):
        remote = folder(bucket)
        expired = refusal("403 Forbidden", "ExpiredToken", "The provided token has expired.")
        server.faults.append(first(99, "GET", expired))
        with pytest.raises(DatasetError) as caught:
            remote.image(0)
        assert str(caught.value) == (
            f"{bucket}/a/0.png cannot be read, and neither can other images such as {bucket}/a/2.png: "
            "access denied: The provided token has expired.; check your credentials and the connection, "
            "then run again: finished work is kept"
        )

    def test_a_root_that_is_no_folder_is_refused(self, bucket):
        for root, message in {
            "s3://no-such-bucket/x": r"s3://no-such-bucket/x does not exist \(The specified bucket ",
            f"{bucket}/none": r"none does not exist .*; point root= to a folder with one folder per",
            f"{bucket}/a/0.png": "0.png is a file; point root= to a folder",
            "s3://Bad_Bucket!/x": "cannot be listed .*Invalid bucket name.*; check your credentials",
        }.items():
            with pytest.raises(DatasetError, match=message) as caught:
                folder(root)
            assert "\n" not in str(caught.value)

    def test_a_listing_that_is_denied_is_refused_even_of_one_class(self, server, bucket):
        denied = refusal("403 Forbidden", "AccessDenied", "Access Denied")

        def of_class_b(what: str) -> Any:
            def answer(environ: dict[str, Any], start: Any) -> Any:
                if "prefix=my%20pictures%2Fb" in environ["QUERY_STRING"]:
                    return denied(environ, start)
                return server._moto(environ, start)

            return answer

        server.faults.append(of_class_b)
        with pytest.raises(DatasetError, match=r"cannot be listed \(access denied: Access Denied\)"):
            folder(bucket)

    def test_a_machine_without_credentials_says_so(self, bucket, monkeypatch, tmp_path):
        from s3fs import S3FileSystem

        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("HOME", str(tmp_path))
        S3FileSystem.clear_instance_cache()
        with pytest.raises(DatasetError, match="Unable to locate credentials"):
            folder(bucket)
        S3FileSystem.clear_instance_cache()

    def test_a_server_that_is_down_is_reported_after_a_bounded_number_of_tries(self, monkeypatch):
        from s3fs import S3FileSystem

        monkeypatch.setattr(S3FileSystem, "retries", 1)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        S3FileSystem.clear_instance_cache()
        with pytest.raises(DatasetError, match="Could not connect to the endpoint URL"):
            folder("s3://birds/x")
        S3FileSystem.clear_instance_cache()


class TestRefused:
    SECRET = "hunter2hunter2"

    @pytest.mark.parametrize(
        "url",
        [
            "s3://AKIA:{}@bucket/x",
            "https://host/x?X-Amz-Signature={}",
            "https://user:{}@host/x",
            "https://{}@host/x",
            "abfs://box@account.dfs.core.windows.net/x?sig={}",
        ],
    )
    def test_urls_with_passwords_and_tokens_are_refused_and_not_shown(self, url, tmp_path):
        url = url.format(self.SECRET)
        table = tmp_path / "table.csv"
        table.write_text(f"path,label\n{url}/1.png,a\nb.png,b\n")
        makers: list[Callable[[], object]] = [
            lambda: folder(url),
            lambda: create(cub200, root=url),
            lambda: create(csv_table, file=url),
            lambda: create(csv_table, file=str(table), root=url),
            lambda: create(csv_table, file=str(table)),
        ]
        for make in makers:
            with pytest.raises((UsageError, DatasetError), match=r"must not contain") as caught:
                make()
            assert self.SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("simplecache::s3://b/x", "chained URLs"),
            ("s3://", "must name a bucket"),
            ("nothing://x/y", "Protocol not known: nothing"),
            ("gs://birds/x", r"needs the package gcsfs; run: pip install 'stackkit\[gs\]'"),
        ],
    )
    def test_urls_that_cannot_work_are_refused_in_one_line(self, url, message):
        if url.startswith("gs://") and _has("gcsfs"):
            pytest.skip("gcsfs is installed")
        with pytest.raises((UsageError, DatasetError), match=message):
            folder(url)

    def test_cub200_is_not_fetched_into_a_url(self):
        from stackkit.api import SilentReporter
        from stackkit_plugins.cub200.fetch import fetch

        with pytest.raises(UsageError, match="must be a folder to fetch into"):
            fetch(root="memory://x", limit=None, url="", md5="", reporter=SilentReporter())


def _has(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


class TestConcurrency:
    def test_eight_threads_and_a_forked_process_read_the_same_pixels(self, bucket, pictures):
        remote, expected = folder(bucket), pixels(folder(pictures))
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda i: np.asarray(remote.image(i % 6)), range(16)))
        for i, image in enumerate(found):
            np.testing.assert_array_equal(image, expected[i % 6])
        child = os.fork()
        if not child:  # no assertion here: pytest would go on in the child
            same = all(np.array_equal(*pair) for pair in zip(pixels(remote), expected, strict=True))
            os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(pixels(remote)) == 6
