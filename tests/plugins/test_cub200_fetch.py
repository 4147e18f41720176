"""Fetch CUB-200-2011 from a real server, with everything that can go wrong."""

import fcntl
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.making import create

from stackkit.api import DatasetError, SilentReporter, UsageError, datasets_dir
from stackkit_plugins import cub200
from stackkit_plugins.cub200.download import Download
from stackkit_plugins.cub200.fetch import fetch

TABLES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")
NOWHERE = "http://127.0.0.1:9/CUB_200_2011.tgz"  # the discard port: nothing listens there


@dataclass(frozen=True)
class Request:
    """A request to the server, and how many bytes it sent back."""

    range: str | None
    if_range: str | None
    status: int
    sent: int


@dataclass
class Archive:
    """A file on the server; each attribute is one way in which servers differ."""

    content: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"first"'})
    supports_ranges: bool = True
    supports_if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    """Number of bytes after which the connection breaks, one for each of the next responses."""
    statuses: list[int] = field(default_factory=list)
    """Error codes of the first responses."""
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    @property
    def md5(self) -> str:
        return hashlib.md5(self.content).hexdigest()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        byte_range, condition = handler.headers["Range"], handler.headers["If-Range"]
        status, start = self._choose(byte_range, condition)
        body = self.content[start:] if status in (200, 206) else b""
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        if status == 206:
            handler.send_header(
                "Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            )
        if status == 416:
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if body and self.cuts:
            body = body[: self.cuts.pop(0)]
        # Recorded before the first byte is sent: the client may return to its test before this thread
        # continues.
        self.requests.append(Request(byte_range, condition, status, len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    def _choose(self, byte_range: str | None, condition: str | None) -> tuple[int, int]:
        if self.statuses:
            return self.statuses.pop(0), 0
        changed = condition is not None and condition not in self.headers.values()
        if not byte_range or not self.supports_ranges or (self.supports_if_range and changed):
            return 200, 0
        start = int(byte_range.removeprefix("bytes=").removesuffix("-"))
        return (206 if start < len(self.content) else 416), start


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.archive.url)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.server.archive.answer(self)

    def log_message(self, *_: object) -> None:
        """Do not log."""


class _Server(ThreadingHTTPServer):
    archive: Archive

    def handle_error(self, *_: object) -> None:
        """Ignore broken connections: some tests kill the client."""


@pytest.fixture
def server(packed) -> Iterator[Archive]:
    with _Server(("127.0.0.1", 0), _Handler) as http:
        http.archive = Archive(packed, url=f"http://127.0.0.1:{http.server_port}/CUB.tgz?download=1")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield http.archive
        http.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def members(cub_root) -> dict[str, bytes]:
    """The files of a small archive in the official layout: 12 real photographs of 3 species."""
    listed = [line.split() for line in (cub_root / "images.txt").read_text().splitlines()]
    chosen = [
        image
        for species in ("001.", "011.", "020.")
        for image in [image for image in listed if image[1].startswith(species)][:4]
    ]
    numbers = {number for number, _ in chosen}
    files = {"attributes.txt": b"1 has_bill_shape::curved_(up_or_down)\n"}
    for name in TABLES:
        lines = (cub_root / name).read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.split()[0] in numbers]
        files[f"CUB_200_2011/{name}"] = "".join(kept).encode()
    files["CUB_200_2011/classes.txt"] = (cub_root / "classes.txt").read_bytes()
    for _, path in chosen:
        files[f"CUB_200_2011/images/{path}"] = (cub_root / "images" / path).read_bytes()
    return files


def pack(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    """Return a .tgz of these files, followed by members without content such as links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        folder = tarfile.TarInfo("CUB_200_2011")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in more:
            tar.addfile(member)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def packed(members) -> bytes:
    return pack(members)


class Recorder(SilentReporter):
    """Records what is reported, and calls `act` at a given byte."""

    def __init__(self, at_byte: int = 0, act=lambda: None) -> None:
        self.starts: list[tuple[str, int, int]] = []
        self.counts: dict[str, int] = {}
        self.messages: list[str] = []
        self._at_byte, self._act = at_byte, act

    def start(self, task: str, total: int, done: int = 0, unit: str = "items") -> None:
        assert unit == "bytes"
        self.starts.append((task, total, done))
        self.counts[task] = done

    def advance(self, task: str, count: int) -> None:
        self.counts[task] += count
        if self._at_byte and self.counts[task] >= self._at_byte:
            self._act()

    def message(self, text: str) -> None:
        self.messages.append(text)


def get(server: Archive, *, root: Path | None = None, reporter=None, **changed) -> Path:
    """Fetch the archive of the server."""
    options = {"url": server.url, "md5": server.md5, **changed}
    place = None if root is None else str(root)
    return fetch(root=place, limit=None, reporter=reporter or Recorder(), **options)


def downloads() -> list[str]:
    """Return the names in the downloads folder except the lock."""
    folder = datasets_dir() / "downloads"
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".lock")


def part_size() -> int:
    return (datasets_dir() / "downloads" / "CUB_200_2011.tgz.part").stat().st_size


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"a folder"
        for path in sorted(folder.rglob("*"))
    }


class TestFetching:
    def test_the_dataset_can_be_read_afterwards(self, server, members):
        folder = get(server)
        assert folder == datasets_dir() / "CUB_200_2011"
        dataset = create(cub200)
        assert len(dataset.samples) == 12
        for i, sample in enumerate(dataset.samples):
            assert dataset.image(i).mode == "RGB"
            content = (folder / "images" / sample.id).read_bytes()
            assert content == members[f"CUB_200_2011/images/{sample.id}"]

    def test_no_other_files_remain_and_a_message_tells_that_the_archive_was_deleted(self, server):
        reporter = Recorder()
        folder = get(server, reporter=reporter)
        assert downloads() == []
        assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, "downloads"]
        assert reporter.messages == [f"CUB-200-2011 is in {folder}; the archive was deleted"]

    def test_the_list_of_attributes_is_moved_into_the_folder(self, server, members):
        assert (get(server) / "attributes.txt").read_bytes() == members["attributes.txt"]

    def test_progress_counts_every_byte_of_both_tasks(self, server):
        reporter, size = Recorder(), len(server.content)
        get(server, reporter=reporter)
        assert reporter.starts == [
            ("download CUB_200_2011.tgz", size, 0),
            ("unpack CUB_200_2011.tgz", size, 0),
        ]
        assert set(reporter.counts.values()) == {size}

    def test_a_second_fetch_sends_no_request(self, server):
        folder = get(server)
        reporter = Recorder()
        assert get(server, url=NOWHERE, reporter=reporter) == folder
        assert len(server.requests) == 1
        assert not reporter.starts

    def test_a_redirect_is_followed(self, server):
        server.cuts = [100_000]
        get(server, url=server.url.replace("/CUB.tgz?download=1", "/moved"))
        assert [request.status for request in server.requests] == [200, 206]

    def test_an_archive_sent_with_a_content_encoding_is_not_decompressed(self, server):
        server.headers["Content-Encoding"] = "x-gzip"
        assert get(server).is_dir()

    def test_an_upper_case_md5_is_accepted(self, server):
        assert get(server, md5=server.md5.upper()).is_dir()

    def test_the_spec_has_the_url_and_md5_of_the_official_archive(self):
        (spec,) = cub200.stackkit_datasets()
        assert spec.fetch == "stackkit_plugins.cub200.fetch:fetch"
        defaults = {option.name: option.default for option in spec.options}
        assert defaults["md5"] == "97eceeb196236b17998738112f37df78"
        assert defaults["url"].startswith("https://data.caltech.edu/records/65de6-vp158/")


class TestResuming:
    def test_after_a_broken_connection_only_the_rest_is_sent(self, server):
        server.cuts = [300_000]
        reporter = Recorder()
        get(server, reporter=reporter)
        first, second = server.requests
        assert (first.range, first.sent) == (None, 300_000)
        assert (second.range, second.if_range) == ("bytes=300000-", '"first"')
        assert second.sent == len(server.content) - 300_000
        assert reporter.starts[1] == ("download CUB_200_2011.tgz", len(server.content), 300_000)

    def test_a_failed_fetch_is_resumed_by_the_next_one(self, server):
        server.cuts = [50_000] * 3
        with pytest.raises(DatasetError, match=r"failed 3 times, .*; 150,000 bytes are kept"):
            download(server, pauses=(0, 0)).run()
        get(server)
        assert server.requests[-1].range == "bytes=150000-"
        assert sum(request.sent for request in server.requests) == len(server.content)

    def test_ctrl_c_keeps_received_bytes(self, server):
        def interrupt():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            get(server, reporter=Recorder(at_byte=200_000, act=interrupt))
        kept = part_size()
        assert kept >= 200_000
        get(server)
        assert server.requests[-1].range == f"bytes={kept}-"

    def test_a_server_without_ranges_sends_everything_again(self, server):
        server.supports_ranges, server.cuts = False, [300_000]
        get(server)
        assert [(r.status, r.range) for r in server.requests] == [(200, None), (200, "bytes=300000-")]

    def test_an_archive_that_has_changed_is_downloaded_from_the_start(self, server, members):
        self._stop_at(server, 300_000)
        server.content = pack({**members, "CUB_200_2011/README": b"second edition"})
        server.headers = {"ETag": '"second"'}
        assert (get(server) / "README").read_bytes() == b"second edition"
        assert [r.status for r in server.requests] == [200, 200]

    def test_a_changed_archive_is_noticed_without_support_for_if_range(self, server, members):
        self._stop_at(server, 300_000)
        server.content = pack({**members, "CUB_200_2011/README": b"second edition"})
        server.headers, server.supports_if_range = {"ETag": '"second"'}, False
        assert (get(server) / "README").read_bytes() == b"second edition"
        assert [r.status for r in server.requests] == [200, 206, 200]

    def test_last_modified_is_used_if_there_is_no_etag(self, server):
        server.headers = {"Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}
        self._stop_at(server, 300_000)
        get(server)
        assert server.requests[-1].if_range == "Sat, 01 Jan 2022 00:00:00 GMT"
        assert server.requests[-1].status == 206

    @pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
    def test_without_a_strong_validator_only_the_md5_decides(self, server, headers):
        server.headers = headers
        self._stop_at(server, 300_000)
        get(server)
        assert (server.requests[-1].status, server.requests[-1].if_range) == (206, None)

    def test_bytes_from_another_url_are_not_continued(self, server):
        self._stop_at(server, 300_000)
        get(server, url=server.url + "&mirror=2")
        assert server.requests[-1].range is None

    @pytest.mark.parametrize("damage", ["", "{", "[]", '{"url": 1}'])
    def test_bytes_of_unknown_origin_are_not_continued(self, server, damage):
        self._stop_at(server, 300_000)
        (datasets_dir() / "downloads" / "CUB_200_2011.tgz.json").write_text(damage)
        get(server)
        assert server.requests[-1].range is None

    def test_a_complete_part_is_only_verified(self, server):
        self._stop_at(server, len(server.content))
        assert part_size() == len(server.content)
        get(server)
        assert server.requests[-1].status == 416
        assert sum(r.sent for r in server.requests) == len(server.content)

    def test_a_part_longer_than_the_file_is_discarded(self, server):
        server.headers = {}
        self._stop_at(server, 300_000)
        with (datasets_dir() / "downloads" / "CUB_200_2011.tgz.part").open("ab") as file:
            file.write(bytes(len(server.content)))
        get(server)
        assert [r.status for r in server.requests] == [200, 416, 200]

    @staticmethod
    def _stop_at(server: Archive, count: int) -> None:
        """Leave a .part of `count` bytes, like a fetch that is killed there."""
        if count < len(server.content):
            server.cuts = [count]
            with pytest.raises(DatasetError):
                download(server, pauses=()).run()
            return
        server.cuts = [count - 1]
        with pytest.raises(DatasetError):
            download(server, pauses=()).run()
        server.cuts = []
        with pytest.raises(ZeroDivisionError):
            # Stop between the last byte and the verification.
            download(server, reporter=Recorder(at_byte=count, act=lambda: 1 // 0)).run()


def download(server: Archive, **changed) -> Download:
    """Return the download that `fetch` would create."""
    options = {"url": server.url, "md5": server.md5, "reporter": Recorder(), **changed}
    return Download(target=datasets_dir() / "downloads" / "CUB_200_2011.tgz", **options)


class TestFailures:
    def test_a_wrong_checksum_is_reported_and_the_next_fetch_starts_again(self, server):
        right, server.content = server.content, b"<html>Log in to download</html>"
        expected, got = hashlib.md5(right).hexdigest(), server.md5
        with pytest.raises(DatasetError, match=f"returned 31 bytes with MD5 {got}, expected {expected}"):
            get(server, md5=expected)
        assert downloads() == []
        server.content = right
        assert get(server).is_dir()
        assert server.requests[-1].range is None

    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_a_refusal_is_reported_without_a_retry(self, server, status):
        server.statuses = [status]
        with pytest.raises(
            DatasetError, match=rf"returned {status} .*; check url=, or save the file as"
        ):
            get(server)
        assert len(server.requests) == 1

    def test_a_temporary_server_error_is_retried(self, server):
        server.statuses = [503, 429]
        download(server, pauses=(0, 0)).run()
        assert [r.status for r in server.requests] == [503, 429, 200]

    def test_retries_end_if_the_server_is_unreachable(self, server):
        with pytest.raises(DatasetError, match=r"failed 3 times, .*refused.*; 0 bytes are kept"):
            download(server, url=NOWHERE, pauses=(0, 0)).run()

    def test_retries_end_if_the_connection_always_breaks(self, server):
        server.cuts = [10] * 99
        with pytest.raises(DatasetError, match="failed 4 times"):
            download(server, pauses=(0, 0, 0)).run()
        assert len(server.requests) == 4

    def test_failures_after_much_progress_do_not_add_up(self, server):
        server.content = os.urandom(60_000_000)
        server.cuts = [9_000_000] * 5
        download(server, pauses=(0,)).run()
        assert len(server.requests) == 6

    @pytest.mark.parametrize(
        "url", ["", "CUB.tgz", "ftp://host/CUB.tgz", "file:///etc/passwd", "http://"]
    )
    def test_an_invalid_url_is_refused(self, server, url):
        with pytest.raises(
            UsageError, match=r"^url (must start with https:// or http://|is invalid), got"
        ):
            get(server, url=url)

    @pytest.mark.parametrize("md5", ["", "abc", "g" * 32])
    def test_an_invalid_md5_is_refused_before_any_request(self, server, md5):
        with pytest.raises(UsageError, match="md5 must be 32 hexadecimal digits, got"):
            get(server, md5=md5)
        assert not server.requests

    def test_two_fetches_at_once_do_not_write_to_the_same_file(self, server):
        (datasets_dir() / "downloads").mkdir(parents=True)
        with (datasets_dir() / "downloads" / "CUB_200_2011.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(DatasetError, match="another fetch of CUB-200-2011 is writing"):
                get(server)
        assert get(server).is_dir()


def place_archive(content: bytes) -> str:
    """Write an archive where a download would be; return its MD5."""
    folder = datasets_dir() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "CUB_200_2011.tgz").write_bytes(content)
    return hashlib.md5(content).hexdigest()


def unpack_only(content: bytes, root: Path | None = None) -> Path:
    """Fetch without a network, with the archive already downloaded."""
    place = None if root is None else str(root)
    md5 = place_archive(content)
    return fetch(root=place, limit=None, url=NOWHERE, md5=md5, reporter=Recorder())


class TestUnpacking:
    def test_a_downloaded_archive_needs_no_network(self, packed):
        assert unpack_only(packed).is_dir()

    def test_an_archive_with_another_checksum_is_downloaded_again(self, server):
        place_archive(b"something else")
        reporter = Recorder()
        get(server, reporter=reporter)
        assert "does not have MD5" in reporter.messages[0]
        assert len(server.requests) == 1

    def test_a_root_is_filled_or_created(self, packed, tmp_path):
        (tmp_path / "empty").mkdir()
        for root in (tmp_path / "empty", tmp_path / "new" / "birds"):
            assert unpack_only(packed, root) == root
            assert len(create(cub200, root=str(root)).samples) == 12
            assert [path.name for path in root.parent.iterdir() if path.name.startswith(".")] == []

    def test_a_root_with_the_dataset_is_not_changed(self, packed, tmp_path, cub_root):
        before = tree(unpack_only(packed, tmp_path / "CUB_200_2011"))
        for root in (tmp_path, tmp_path / "CUB_200_2011"):
            found = fetch(root=str(root), limit=None, url=NOWHERE, md5="0" * 32, reporter=Recorder())
            assert found == tmp_path / "CUB_200_2011"
        assert tree(tmp_path / "CUB_200_2011") == before

    def test_a_root_with_other_content_is_refused_and_not_changed(self, packed, tmp_path):
        (tmp_path / "thesis.tex").write_text("mine")
        with pytest.raises(DatasetError, match=r"was not changed: .*pass a new folder as root="):
            unpack_only(packed, tmp_path)
        assert tree(tmp_path) == {"thesis.tex": b"mine"}

    def test_a_dataset_with_a_missing_image_is_not_complete(self, packed):
        folder = unpack_only(packed)
        lost = next((folder / "images").rglob("*.jpg"))
        lost.unlink()
        with pytest.raises(DatasetError, match=f"1 of 12 listed images are missing .*{lost.name}"):
            unpack_only(packed)
        assert len(create(cub200).samples) == 12

    def test_an_archive_without_one_image_is_refused_and_nothing_kept(self, members):
        image = max(name for name in members if name.endswith(".jpg"))
        content = pack({name: text for name, text in members.items() if name != image})
        with pytest.raises(DatasetError, match="is not a complete CUB-200-2011: 1 of 12 listed images"):
            unpack_only(content)
        self._nothing_but_the_archive()

    @pytest.mark.parametrize("cut", [10, 1_000, 300_000])
    def test_an_archive_that_ends_early_is_refused_and_nothing_kept(self, packed, cut):
        with pytest.raises(DatasetError, match=r"is not a complete \.tgz archive .*; delete it"):
            unpack_only(packed[:cut])
        self._nothing_but_the_archive()

    def test_an_archive_of_something_else_is_refused(self):
        with pytest.raises(DatasetError, match=r"is not a complete CUB-200-2011: .*has no images.txt"):
            unpack_only(pack({"README": b"hello"}))
        self._nothing_but_the_archive()

    def test_a_file_that_is_not_an_archive_is_refused(self):
        with pytest.raises(DatasetError, match=r"is not a complete \.tgz archive"):
            unpack_only(b"no archive" * 1000)

    @staticmethod
    def _nothing_but_the_archive() -> None:
        assert [path.name for path in datasets_dir().iterdir()] == ["downloads"]
        assert downloads() == ["CUB_200_2011.tgz"]


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


class TestMaliciousArchives:
    """Each archive has the complete dataset and one harmful member."""

    @pytest.mark.parametrize(
        "name",
        [
            "../evil.txt",
            "CUB_200_2011/../../evil.txt",
            "CUB_200_2011/images/../../../../evil.txt",
            "/{outside}/evil.txt",
            "//{outside}/evil.txt",
            "..\\evil.txt",
            "C:\\evil.txt",
            "C:/evil.txt",
            "CUB_200_2011/evil\n.txt",
            "..",
        ],
    )
    def test_a_path_that_leads_outside_is_refused(self, members, tmp_path, name):
        name = name.format(outside=str(tmp_path).strip("/"))
        self._refused(pack({name: b"evil", **members}), tmp_path, name)

    @pytest.mark.parametrize(
        "member",
        [
            link("CUB_200_2011/images/link", "../../../evil"),
            link("CUB_200_2011/images/link", "/etc"),
            link("CUB_200_2011/harmless", "images.txt"),
            link("CUB_200_2011/hard", "/etc/passwd", tarfile.LNKTYPE),
            link("CUB_200_2011/hard", "CUB_200_2011/images.txt", tarfile.LNKTYPE),
            link("CUB_200_2011/pipe", "", tarfile.FIFOTYPE),
            link("CUB_200_2011/device", "", tarfile.CHRTYPE),
            link("CUB_200_2011/disk", "", tarfile.BLKTYPE),
        ],
        ids=lambda member: f"{member.name.rpartition('/')[2]}-{member.linkname}",
    )
    def test_a_link_or_device_is_refused(self, members, tmp_path, member):
        self._refused(pack(members, member), tmp_path, member.name)

    def test_nothing_is_written_through_a_link(self, members, tmp_path):
        (tmp_path / "outside").mkdir()
        content = pack(
            members,
            link("CUB_200_2011/out", str(tmp_path / "outside")),
            tarfile.TarInfo("CUB_200_2011/out/x"),
        )
        self._refused(content, tmp_path, "CUB_200_2011/out")

    def test_modes_and_owners_of_the_archive_are_ignored(self, members):
        program = tarfile.TarInfo("CUB_200_2011/run.sh")
        program.mode, program.uid = 0o6777, 12345
        file = unpack_only(pack(members, program)) / "run.sh"
        assert file.stat().st_mode & 0o7111 == 0
        assert file.stat().st_uid == os.geteuid()

    @staticmethod
    def _refused(content: bytes, folder: Path, name: str) -> None:
        root = folder / "in" / "birds"
        root.mkdir(parents=True)
        (folder / "canary").write_text("alive")
        before = tree(folder)
        with pytest.raises(DatasetError) as caught:
            unpack_only(content, root)
        assert f"{name!r} in " in str(caught.value)
        assert "\n" not in str(caught.value)
        assert tree(folder) == before


CHILD = textwrap.dedent(
    """
    import os, resource, signal, sys
    from stackkit.api import DatasetError, SilentReporter
    from stackkit_plugins.cub200.fetch import fetch

    url, md5, task, at_byte, largest_file = sys.argv[1:]

    class Killer(SilentReporter):
        count = 0
        def advance(self, name, count):
            self.count += count if name.startswith(task) else 0
            if self.count >= int(at_byte) > 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if int(largest_file):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file),) * 2)
    try:
        fetch(root=None, limit=None, url=url, md5=md5, reporter=Killer())
    except DatasetError as error:
        sys.exit(str(error))
    """
)


def in_child(server: Archive, task: str = "none", at_byte: int = 0, largest_file: int = 0):
    """Fetch in a process that kills itself at a byte of a task, or has a file size limit."""
    arguments = [server.url, server.md5, task, str(at_byte), str(largest_file)]
    command = [sys.executable, "-c", CHILD, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class TestKilled:
    @pytest.mark.parametrize("at_byte", [1, 400_000])
    def test_during_the_download_the_next_fetch_resumes(self, server, at_byte):
        assert in_child(server, "download", at_byte).returncode == -signal.SIGKILL
        kept = part_size()
        assert at_byte <= kept < len(server.content)
        assert get(server).is_dir()
        assert server.requests[-1].range == f"bytes={kept}-"
        assert server.requests[-1].sent == len(server.content) - kept

    @pytest.mark.parametrize("at_byte", [1, 400_000, 700_000])
    def test_during_unpacking_no_partial_dataset_is_accepted(self, server, at_byte):
        assert at_byte < len(server.content)
        assert in_child(server, "unpack", at_byte).returncode == -signal.SIGKILL
        assert (datasets_dir() / ".CUB_200_2011.unpacking").is_dir()
        with pytest.raises(DatasetError, match="run `stackkit fetch"):
            create(cub200)
        folder = get(server, url=NOWHERE)
        assert len(create(cub200).samples) == 12
        assert sorted(path.name for path in folder.parent.iterdir()) == ["CUB_200_2011", "downloads"]

    def test_on_a_full_disk_the_error_tells_where_data_are_kept(self, server):
        done = in_child(server, largest_file=300_000)
        assert done.returncode == 1
        assert "File too large; downloaded data are kept in" in done.stderr
        assert part_size() == 300_000
        get(server)
        assert server.requests[-1].range == "bytes=300000-"

    def test_if_the_disk_fills_up_during_unpacking_the_archive_is_kept(self, server, packed):
        place_archive(packed)
        done = in_child(server, largest_file=20_000)
        assert done.returncode == 1
        assert "File too large; downloaded data are kept in" in done.stderr
        assert downloads() == ["CUB_200_2011.tgz"]
        assert not (datasets_dir() / ".CUB_200_2011.unpacking").exists()
        assert get(server, url=NOWHERE).is_dir()
